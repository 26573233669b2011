// gorilla/websocket, for comparisons: gorilla PORT [deflate | tls]. /topic/NAME sends a message to everybody else there, every other
// path sends it back.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

var version string // of the package; set by the linker

type topic struct {
	sync.Mutex
	members map[*websocket.Conn]chan *websocket.PreparedMessage
}

var (
	upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	topics   = map[string]*topic{}
	lock     sync.Mutex
)

func topicOf(path string) *topic {
	lock.Lock()
	defer lock.Unlock()
	if topics[path] == nil {
		topics[path] = &topic{members: map[*websocket.Conn]chan *websocket.PreparedMessage{}}
	}
	return topics[path]
}

// Writes what is published; goes on reading the channel when the connection is gone, so that nobody waits for it.
func deliver(conn *websocket.Conn, queue chan *websocket.PreparedMessage) {
	for message := range queue {
		conn.WritePreparedMessage(message)
	}
}

func (topic *topic) publish(from *websocket.Conn, kind int, data []byte) {
	message, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		return
	}
	topic.Lock()
	defer topic.Unlock()
	for conn, queue := range topic.members {
		if conn != from {
			queue <- message
		}
	}
}

func serveTopic(conn *websocket.Conn, topic *topic) {
	queue := make(chan *websocket.PreparedMessage, 64)
	go deliver(conn, queue)
	topic.Lock()
	topic.members[conn] = queue
	topic.Unlock()
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			break
		}
		topic.publish(conn, kind, data)
	}
	topic.Lock()
	delete(topic.members, conn)
	topic.Unlock()
	close(queue)
}

func serve(answer http.ResponseWriter, request *http.Request) {
	conn, err := upgrader.Upgrade(answer, request, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if strings.HasPrefix(request.URL.Path, "/topic/") {
		serveTopic(conn, topicOf(request.URL.Path))
		return
	}
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: gorilla PORT [deflate | tls] | --version")
		os.Exit(64)
	}
	if os.Args[1] == "--version" {
		fmt.Printf("gorilla/websocket %s, %s\n", version, runtime.Version())
		return
	}
	word := strings.Join(os.Args[2:], " ")
	upgrader.EnableCompression = word == "deflate"
	fmt.Printf("listening on %s\n", os.Args[1])
	address, handler := "127.0.0.1:"+os.Args[1], http.HandlerFunc(serve)
	var err error
	if word == "tls" {
		folder := filepath.Dir(os.Args[0])
		err = http.ListenAndServeTLS(address, folder+"/cert.pem", folder+"/key.pem", handler)
	} else {
		err = http.ListenAndServe(address, handler)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
