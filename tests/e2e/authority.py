"""Certificates for tests, by the openssl tool: an authority, and what it signs."""
import os
import subprocess

CONFIG = """
[ca]
default_ca = us
[us]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
email_in_dn = no
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = test
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
"""


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.config = os.path.join(folder, "openssl.cnf")
        self.certificate = os.path.join(folder, "authority.pem")
        self.key = os.path.join(folder, "authority.key")
        for name, text in (("openssl.cnf", CONFIG.format(folder=folder)), ("index.txt", ""), ("serial", "01\n")):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        self.openssl("req", "-x509", *self.new_key("ec", self.key), "-out", self.certificate, "-days", "2", "-subj", "/CN=wye test authority",
                     "-config", self.config, "-extensions", "authority")

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    @staticmethod
    def new_key(kind, path):
        how = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-newkey", "rsa:2048"]
        return [*how, "-nodes", "-keyout", path]

    def sign(self, name, *dns, kind="ec", expired=False):
        """A certificate for these DNS names (and addresses): (certificate's path, key's path)."""
        path = os.path.join(self.folder, name)
        extensions = path + ".ext"
        with open(extensions, "w") as file:
            file.write("basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = "
                       + ",".join(("IP:" if each.replace(".", "").isdigit() else "DNS:") + each for each in dns) + "\n")
        self.openssl("req", "-new", *self.new_key(kind, path + ".key"), "-out", path + ".csr", "-subj", f"/CN={name}", "-config", self.config)
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if expired else ["-days", "2"]
        self.openssl("ca", "-batch", "-notext", "-config", self.config, "-cert", self.certificate, "-keyfile", self.key, "-in", path + ".csr",
                     "-out", path + ".pem", "-extfile", extensions, *dates)
        os.chmod(path + ".key", 0o600)
        return path + ".pem", path + ".key"
