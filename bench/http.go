package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// errStatus: a command was refused.
var errStatus = errors.New("not created")

// client is an HTTP client with one connection that costs as little as possible: it shares the processors with what it measures.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
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
	c.out = append(c.out[:0], "POST "...)
	c.out = append(c.out, path...)
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.address...)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\nAuthorization: Bearer "...)
	c.out = append(c.out, c.token...)
	c.out = append(c.out, "\r\nIdempotency-Key: "...)
	c.out = append(c.out, key...)
	c.out = append(c.out, "\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if err := c.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	if err := c.read(); err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	return nil
}

// read reads an answer, of which only the status matters.
func (c *client) read() error {
	status, length := 0, 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
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
			return fmt.Errorf("answer: %w", err)
		}
	}
	if status == createdStatus {
		_, err := c.in.Discard(length)
		return err
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d %s", errStatus, status, body)
}

const createdStatus = 201

// statusOf reads "HTTP/1.1 201 Created".
func statusOf(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	return strconv.Atoi(string(code))
}
