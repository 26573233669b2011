// Boost.Beast, for comparisons: beast PORT [deflate]. /topic/NAME sends a message to everybody else there, every other path
// sends it back. One thread; set up as Beast's own websocket_server_fast is.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/version.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using beast::error_code;

namespace {

class session;
std::unordered_map<std::string, std::set<session *>> topics;
bool deflates;

struct message {
    std::string bytes;
    bool text;
};

class session : public std::enable_shared_from_this<session> {
public:
    explicit session(tcp::socket socket) : stream(std::move(socket)) {}

    ~session() {
        if (topic) topic->erase(this);
    }

    void start() {
        stream.next_layer().set_option(tcp::no_delay(true));
        http::async_read(stream.next_layer(), buffer, request, [self = shared_from_this()](error_code error, std::size_t) {
            if (!error) self->accept();
        });
    }

private:
    void accept() {
        websocket::permessage_deflate deflate;
        deflate.server_enable = deflates;
        stream.set_option(deflate);
        stream.auto_fragment(false);
        stream.read_message_max(64 << 20);
        stream.async_accept(request, [self = shared_from_this()](error_code error) {
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
        stream.async_read(buffer, [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            auto whole = std::make_shared<message>(message{beast::buffers_to_string(self->buffer.data()), self->stream.got_text()});
            self->buffer.consume(self->buffer.size());
            if (!self->topic) self->send(whole);
            else
                for (session *other : *self->topic)
                    if (other != self.get()) other->send(whole);
            self->read();
        });
    }

    void send(std::shared_ptr<message> what) {
        queue.push_back(std::move(what));
        if (queue.size() == 1) write();
    }

    void write() {
        stream.text(queue.front()->text);
        stream.async_write(asio::buffer(queue.front()->bytes), [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            self->queue.pop_front();
            if (!self->queue.empty()) self->write();
        });
    }

    websocket::stream<tcp::socket> stream;
    beast::flat_buffer buffer;
    http::request<http::empty_body> request;
    std::deque<std::shared_ptr<message>> queue;
    std::set<session *> *topic = nullptr;
};

void accept(tcp::acceptor &acceptor) {
    acceptor.async_accept([&acceptor](error_code error, tcp::socket socket) {
        if (!error) std::make_shared<session>(std::move(socket))->start();
        accept(acceptor);
    });
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fputs("usage: beast PORT [deflate] | --version\n", stderr);
        return 64;
    }
    if (std::strcmp(argv[1], "--version") == 0) {
        std::puts("Boost.Beast of Boost " BOOST_LIB_VERSION);
        return 0;
    }
    deflates = argc > 2 && std::strcmp(argv[2], "deflate") == 0;
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))});
    acceptor.listen(4096);
    accept(acceptor);
    std::printf("listening on %s\n", argv[1]);
    std::fflush(stdout);
    context.run();
}
