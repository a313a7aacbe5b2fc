package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"payledger/internal/jsontext"
)

// ErrMalformed reports a stored payload that isn't what this code would have written for its type and schema.
var ErrMalformed = errors.New("malformed payload")

// scanner reads a payload from front to back and remembers the first failure. It takes no white space: payloads are read
// as they were written.
type scanner struct {
	rest string
	size int
	err  error
	cold bool // what is read isn't as readers of hot payloads take it
}

func newScanner(data []byte) *scanner { return &scanner{rest: string(data), size: len(data)} }

// fail remembers the first failure and leaves nothing to read.
func (s *scanner) fail(cause error) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: at byte %d: %w", ErrMalformed, s.size-len(s.rest), cause)
	}
	s.rest = ""
}

// skip takes the token if it comes next.
func (s *scanner) skip(token string) bool {
	rest, found := strings.CutPrefix(s.rest, token)
	s.rest = rest
	return found
}

func (s *scanner) expect(token string) {
	if !s.skip(token) {
		s.fail(fmt.Errorf("want %s", token))
	}
}

// more takes what stands after an element of a list and reports whether another one follows.
func (s *scanner) more(end string) bool {
	if s.skip(end) {
		return false
	}
	s.expect(",")
	return s.err == nil
}

// text takes a string.
func (s *scanner) text() string {
	if !s.skip(`"`) {
		s.fail(errors.New("want a string"))
		return ""
	}
	ascii := true
	for i := range len(s.rest) {
		switch c := s.rest[i]; {
		case c == '"':
			return s.ends(i, ascii)
		case c == '\\':
			return s.escaped()
		case c < ' ':
			s.fail(errors.New("control code in a string"))
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.fail(errors.New("string doesn't end"))
	return ""
}

// ends takes the text up to its closing quote.
func (s *scanner) ends(quote int, ascii bool) string {
	text := s.rest[:quote]
	if !ascii && !utf8.ValidString(text) {
		s.fail(errNotText)
		return ""
	}
	s.rest = s.rest[quote+1:]
	return text
}

// escaped takes the rest of a string with escapes, which are rare. Of several spellings only ours is taken.
func (s *scanner) escaped() string {
	for end := 0; end < len(s.rest); end++ {
		switch s.rest[end] {
		case '\\':
			end++
		case '"':
			literal := `"` + s.rest[:end+1]
			var text string
			if json.Unmarshal([]byte(literal), &text) != nil || string(jsontext.AppendString(nil, text)) != literal {
				s.fail(fmt.Errorf("string %.40s isn't as we write it", literal))
				return ""
			}
			s.rest = s.rest[end+1:]
			return text
		}
	}
	s.fail(errors.New("string doesn't end"))
	return ""
}

// flatObject takes the text of an object that holds no other one and no } in its strings.
func (s *scanner) flatObject() []byte {
	end := strings.IndexByte(s.rest, '}')
	if end < 0 {
		s.fail(errors.New("want an object"))
		return nil
	}
	object := s.rest[:end+1]
	s.rest = s.rest[end+1:]
	return []byte(object)
}

// number takes a whole number as we write it.
func (s *scanner) number() int64 {
	end := 0
	for end < len(s.rest) && (s.rest[end] == '-' || s.rest[end] >= '0' && s.rest[end] <= '9') {
		end++
	}
	n, err := strconv.ParseInt(s.rest[:end], 10, strconv.IntSize)
	if err != nil || strconv.FormatInt(n, 10) != s.rest[:end] {
		s.fail(errors.New("want a whole number"))
		return 0
	}
	s.rest = s.rest[end:]
	return n
}

// object takes the text of any JSON object, which isn't ours: it may have white space within.
func (s *scanner) object() string {
	if !strings.HasPrefix(s.rest, "{") {
		s.fail(errNotObject)
		return ""
	}
	in := json.NewDecoder(strings.NewReader(s.rest))
	var raw json.RawMessage
	if err := in.Decode(&raw); err != nil || !utf8.Valid(raw) {
		s.fail(errNotObject)
		return ""
	}
	s.rest = s.rest[len(raw):]
	return string(raw)
}

// done returns the first failure; something left over is one.
func (s *scanner) done() error {
	if s.err == nil && s.rest != "" {
		s.fail(errors.New("something follows"))
	}
	return s.err
}
