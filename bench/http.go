package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"
)

// errStatus: a request was refused.
var errStatus = errors.New("refused")

// client is an HTTP client with one connection that costs as little as possible: it shares the processors with what it measures.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	body    []byte // of the last answer
	address string
	token   string
}

// callTimeout bounds one command.
const callTimeout = 30 * time.Second

func dial(ctx context.Context, address, token string) (*client, error) {
	conn, err := (&net.Dialer{Timeout: callTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the API: %w", err)
	}
	return &client{conn: conn, in: bufio.NewReader(conn), address: address, token: token}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// post sends a command under an idempotency key; anything but 201 is an error.
func (c *client) post(path, key string, body []byte) error {
	c.begin("POST", path)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\nIdempotency-Key: "...)
	c.out = append(c.out, key...)
	c.out = append(c.out, "\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.send(createdStatus); err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	return nil
}

// get asks a question; anything but 200 is an error. The answer is good until the next call.
func (c *client) get(path string) ([]byte, error) {
	c.begin("GET", path)
	c.out = append(c.out, "\r\n\r\n"...)
	answer, err := c.send(okStatus)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	return answer, nil
}

// begin writes the lines that all requests have.
func (c *client) begin(method, path string) {
	c.out = append(c.out[:0], method...)
	c.out = append(c.out, ' ')
	c.out = append(c.out, path...)
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.address...)
	c.out = append(c.out, "\r\nAuthorization: Bearer "...)
	c.out = append(c.out, c.token...)
}

func (c *client) send(wants int) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	return c.read(wants)
}

// read reads an answer.
func (c *client) read(wants int) ([]byte, error) {
	status, length := 0, 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if first {
			status, err = statusOf(line)
		} else if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(value))
		}
		if err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return nil, err
	}
	if status != wants {
		return nil, fmt.Errorf("%w: %d %s", errStatus, status, c.body)
	}
	return c.body, nil
}

const (
	okStatus      = 200
	createdStatus = 201
)

// statusOf reads "HTTP/1.1 201 Created".
func statusOf(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	return strconv.Atoi(string(code))
}
