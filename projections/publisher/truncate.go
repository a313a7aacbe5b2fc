package publisher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxRouteBody is the size in bytes above which a route event goes out with its rows emptied.
const MaxRouteBody = 900_000

// errNotEnvelope: a stored route event isn't the envelope that the API prints.
var errNotEnvelope = errors.New("route event is not an envelope")

// emptyRows returns the envelope with the value of the key that its dataName names emptied: a list becomes [], an object {}.
// All other bytes stay as they are.
func emptyRows(body []byte) ([]byte, error) {
	var head struct {
		DataName string `json:"dataName"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotEnvelope, err)
	}
	start, end, err := valueOf(body, head.DataName)
	if err != nil {
		return nil, err
	}
	empty := "{}"
	if body[start] == '[' {
		empty = "[]"
	}
	return append(append(bytes.Clone(body[:start]), empty...), body[end:]...), nil
}

// valueOf returns where the value of a top-level key begins and ends.
func valueOf(body []byte, name string) (start, end int, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errNotEnvelope, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %w", errNotEnvelope, err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return 0, 0, fmt.Errorf("%w: %w", errNotEnvelope, err)
		}
		if key == name {
			end = int(d.InputOffset())
			return end - len(value), end, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: no key %q", errNotEnvelope, name)
}
