// Boost.Beast, for comparisons: beast PORT [deflate | tls]. /topic/NAME sends a message to everybody else there, every other path
// sends it back. One thread; set up as Beast's own websocket_server_fast is. tls: with cert.pem and key.pem beside the program.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/version.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using beast::error_code;

namespace {

struct message {
    std::string bytes;
    bool text;
};

// Somebody on a topic, over whatever transport.
struct member {
    virtual void send(std::shared_ptr<message> what) = 0;

protected:
    ~member() = default;
};

std::unordered_map<std::string, std::set<member *>> topics;
bool deflates;

using plain = tcp::socket;
using secure = beast::ssl_stream<tcp::socket>;

template <class Transport> class session final : public member, public std::enable_shared_from_this<session<Transport>> {
public:
    template <class... Arguments> explicit session(Arguments &&...arguments) : stream(std::forward<Arguments>(arguments)...) {}

    ~session() {
        if (topic) topic->erase(this);
    }

    void start() {
        beast::get_lowest_layer(stream).set_option(tcp::no_delay(true));
        if constexpr (std::is_same_v<Transport, secure>)
            stream.next_layer().async_handshake(ssl::stream_base::server, [self = this->shared_from_this()](error_code error) {
                if (!error) self->read_request();
            });
        else read_request();
    }

    void send(std::shared_ptr<message> what) override {
        queue.push_back(std::move(what));
        if (queue.size() == 1) write();
    }

private:
    void read_request() {
        http::async_read(stream.next_layer(), buffer, request, [self = this->shared_from_this()](error_code error, std::size_t) {
            if (!error) self->accept();
        });
    }

    void accept() {
        websocket::permessage_deflate deflate;
        deflate.server_enable = deflates;
        deflate.compLevel = 1;
        stream.set_option(deflate);
        stream.auto_fragment(false);
        stream.read_message_max(64 << 20);
        stream.async_accept(request, [self = this->shared_from_this()](error_code error) {
            if (error) return;
            std::string path(self->request.target());
            if (path.rfind("/topic/", 0) == 0) {
                self->topic = &topics[path];
                self->topic->insert(self.get());
            }
            self->buffer.consume(self->buffer.size());
            self->read();
        });
    }

    void read() {
        stream.async_read(buffer, [self = this->shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            auto whole = std::make_shared<message>(message{beast::buffers_to_string(self->buffer.data()), self->stream.got_text()});
            self->buffer.consume(self->buffer.size());
            if (!self->topic) self->send(whole);
            else
                for (member *other : *self->topic)
                    if (other != self.get()) other->send(whole);
            self->read();
        });
    }

    void write() {
        stream.text(queue.front()->text);
        stream.async_write(asio::buffer(queue.front()->bytes), [self = this->shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            self->queue.pop_front();
            if (!self->queue.empty()) self->write();
        });
    }

    websocket::stream<Transport> stream;
    beast::flat_buffer buffer;
    http::request<http::empty_body> request;
    std::deque<std::shared_ptr<message>> queue;
    std::set<member *> *topic = nullptr;
};

// context: NULL: without TLS.
void accept(tcp::acceptor &acceptor, ssl::context *context) {
    acceptor.async_accept([&acceptor, context](error_code error, tcp::socket socket) {
        if (!error && context) std::make_shared<session<secure>>(std::move(socket), *context)->start();
        else if (!error) std::make_shared<session<plain>>(std::move(socket))->start();
        accept(acceptor, context);
    });
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fputs("usage: beast PORT [deflate | tls] | --version\n", stderr);
        return 64;
    }
    if (std::strcmp(argv[1], "--version") == 0) {
        std::puts("Boost.Beast of Boost " BOOST_LIB_VERSION);
        return 0;
    }
    std::string word = argc > 2 ? argv[2] : "", program = argv[0], folder = program.substr(0, program.rfind('/') + 1);
    deflates = word == "deflate";
    ssl::context secrets(ssl::context::tls_server);
    if (word == "tls") {
        secrets.use_certificate_chain_file(folder + "cert.pem");
        secrets.use_private_key_file(folder + "key.pem", ssl::context::pem);
    }
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))});
    acceptor.listen(4096);
    accept(acceptor, word == "tls" ? &secrets : nullptr);
    std::printf("listening on %s\n", argv[1]);
    std::fflush(stdout);
    context.run();
}
