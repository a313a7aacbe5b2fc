package faulttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cut says what a proxy does with the next COMMIT.
type cut int

const (
	cutNothing cut = iota
	// cutBefore cuts both sides before COMMIT reaches the server.
	cutBefore
	// cutAfter cuts both sides when the server has committed and answers.
	cutAfter
	// cutDelay keeps COMMIT back, cuts the client at the first release, and lets the server have it at the second.
	cutDelay
	// cutDelayAll is cutDelay of all that is sent with COMMIT.
	cutDelayAll
)

// proxy stands between a store and Postgres. It knows just enough of the protocol to see a prepared COMMIT go by.
type proxy struct {
	server   string
	listener net.Listener
	done     chan cut      // gets each cut that was made
	release  chan struct{} // takes a delayed COMMIT one step further

	mu    sync.Mutex
	next  cut
	skip  int
	conns []net.Conn
}

// startProxy returns a proxy before the server of a URL, and the URL that leads through it.
func startProxy(t *testing.T, rawURL string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{server: u.Host, listener: listener, done: make(chan cut, 100), release: make(chan struct{})}
	var accepting sync.WaitGroup
	accepting.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		accepting.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			_ = c.Close()
		}
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

// arm sets what becomes of the next COMMIT but skip.
func (p *proxy) arm(c cut, skip int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.skip = c, skip
}

// take says whether a COMMIT is to be cut in this way, and disarms the proxy then.
func (p *proxy) take(c cut) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != c {
		return false
	}
	if p.skip > 0 {
		p.skip--
		return false
	}
	p.next = cutNothing
	return true
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		go p.requests(client, server)
		go p.answers(client, server)
	}
}

// message reads one message of the protocol, as it is on the wire. The first of a client has no type.
func message(r io.Reader, typed bool) ([]byte, error) {
	head := make([]byte, 5)
	if !typed {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
	body := make([]byte, len(head)+size)
	copy(body, head)
	_, err := io.ReadFull(r, body[len(head):])
	return body, err
}

// requests passes on what the client sends.
func (p *proxy) requests(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	commit, begin := []byte("\x00nothing"), []byte("\x00nothing") // names of the statements that were prepared so
	for typed := false; ; typed = true {
		m, err := message(client, typed)
		if err != nil {
			return
		}
		if typed && m[0] == 'P' { // Parse: name, text
			if name, text, _ := bytes.Cut(m[5:], []byte{0}); bytes.HasPrefix(text, []byte("COMMIT\x00")) {
				commit = bytes.Clone(name)
			} else if bytes.HasPrefix(text, []byte("BEGIN")) {
				begin = bytes.Clone(name)
			}
		}
		if typed && m[0] == 'B' { // Bind: portal, name
			_, rest, _ := bytes.Cut(m[5:], []byte{0})
			name, _, _ := bytes.Cut(rest, []byte{0})
			if bytes.Equal(name, commit) && !p.pass(client, server, m) {
				return
			}
			if bytes.Equal(name, begin) && p.take(cutDelayAll) {
				p.delay(cutDelayAll, client, server, m)
				return
			}
		}
		if _, err := server.Write(m); err != nil {
			return
		}
	}
}

// pass handles a COMMIT, whose first message is m. False: the connection is over.
func (p *proxy) pass(client, server net.Conn, m []byte) bool {
	switch {
	case p.take(cutBefore):
		p.done <- cutBefore
		return false
	case p.take(cutDelay):
		p.delay(cutDelay, client, server, m)
		return false
	}
	return true
}

// delay keeps back what the client sends, from m to Sync.
func (p *proxy) delay(c cut, client, server net.Conn, m []byte) {
	rest := [][]byte{m}
	for m[0] != 'S' {
		var err error
		if m, err = message(client, true); err != nil {
			return
		}
		rest = append(rest, m)
	}
	p.done <- c
	<-p.release
	_ = client.Close()
	<-p.release
	_, _ = server.Write(bytes.Join(rest, nil))
	_, _ = io.Copy(io.Discard, server) // the server ends it: nobody listens any more
}

// answers passes on what the server sends.
func (p *proxy) answers(client, server net.Conn) {
	for {
		m, err := message(server, true)
		if err != nil {
			break
		}
		if bytes.Equal(m, []byte("C\x00\x00\x00\x0bCOMMIT\x00")) && p.take(cutAfter) {
			_ = server.Close()
			p.done <- cutAfter
			break
		}
		if _, err := client.Write(m); err != nil {
			return // of a client that is cut off; a delayed COMMIT still needs the server
		}
	}
	_ = client.Close()
}
