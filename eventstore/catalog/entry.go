package catalog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"payledger/eventstore"
)

// entry is one version of one event type.
type entry struct {
	wireName
	typ    reflect.Type
	form   form
	sealed []sealedField
	decode func(data []byte, open func(reflect.Value) error) (any, error)
	hot    hotType // which reader reads plain payloads fast
	// up makes the next version's value of this one's, of type next; nil for the newest.
	up   func(any) any
	next reflect.Type
}

// sealedField is a text field that is stored under a person's key.
type sealedField struct {
	index int
	name  string // key in the payload
}

// of is the entry of the newest version of an event.
func of[T any](name string, schema int) entry {
	t := reflect.TypeFor[T]()
	return entry{
		wireName: wireName{name, schema}, typ: t, form: mustForm(t), sealed: sealedFields(t), decode: decoder[T](mustForm(t)),
	}
}

// lifted makes the entry of an old version: T is the struct as it was, up makes the next version's value of it. From there the
// next version's own step goes on.
func lifted[T, Next any](old entry, up func(T) Next) entry {
	old.up, old.next = func(v any) any { return up(v.(T)) }, reflect.TypeFor[Next]()
	return old
}

func decoder[T any](f form) func([]byte, func(reflect.Value) error) (any, error) {
	return func(data []byte, open func(reflect.Value) error) (any, error) {
		var value T
		v := reflect.ValueOf(&value).Elem()
		if err := read(f, data, v); err != nil {
			return nil, err
		}
		if err := open(v); err != nil {
			return nil, err
		}
		return value, nil
	}
}

func sealedFields(t reflect.Type) []sealedField {
	var fields []sealedField
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("sealed") == "true" {
			if f.Type.Kind() != reflect.String {
				panic("catalog: sealed field " + f.Name + " of " + t.String() + " is no text")
			}
			fields = append(fields, sealedField{index: i, name: f.Tag.Get("json")})
		}
	}
	return fields
}

// seal replaces the texts of an event by sealed ones. An empty text stays empty.
func (e *entry) seal(v reflect.Value, key *eventstore.Key, at eventstore.Binding) error {
	for _, f := range e.sealed {
		plain := v.Field(f.index)
		if plain.Len() == 0 {
			continue
		}
		if key == nil {
			return ErrNoKey
		}
		if !utf8.ValidString(plain.String()) {
			return fmt.Errorf("field %s: %w", f.name, errNotText)
		}
		at.Field = f.name
		plain.SetString(eventstore.Seal(*key, plain.String(), at))
	}
	return nil
}

// open replaces the sealed texts of an event by what they say, or by nothing once the person is erased.
func (e *entry) open(ctx context.Context, v reflect.Value, keys eventstore.Keys, at eventstore.Binding) error {
	for _, f := range e.sealed {
		text := v.Field(f.index)
		if text.Len() == 0 {
			continue
		}
		at.Field = f.name
		plain, err := openText(ctx, keys, text.String(), at)
		if err != nil {
			return err
		}
		text.SetString(plain)
	}
	return nil
}

func openText(ctx context.Context, keys eventstore.Keys, sealed string, at eventstore.Binding) (string, error) {
	id, err := eventstore.SealedKey(sealed)
	if err != nil {
		return "", err
	}
	key, err := keys.Key(ctx, id)
	if errors.Is(err, eventstore.ErrKeyDestroyed) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return eventstore.Unseal(key, sealed, at)
}
