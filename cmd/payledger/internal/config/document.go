package config

import (
	"fmt"
	"io"
	"reflect"
)

// Setting is one line of the configuration as people see it: secrets are masked.
type Setting struct {
	Name    string
	Value   string
	Default string
	Doc     string
}

// Settings lists every setting with its effective value, in the order of the struct.
func (c Config) Settings() []Setting {
	v := reflect.ValueOf(c)
	list := make([]Setting, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		list = append(list, Setting{
			Name: tag.Get("env"), Value: fmt.Sprint(v.Field(i).Interface()), Default: tag.Get("envDefault"), Doc: tag.Get("doc"),
		})
	}
	return list
}

// WriteExample writes .env.example: every setting with its documentation and default.
func WriteExample(w io.Writer) error {
	if _, err := fmt.Fprint(w, "# Every setting of payledger, with its default. Generated: see internal/config.\n\n"); err != nil {
		return fmt.Errorf("write example: %w", err)
	}
	for _, s := range (Config{}).Settings() {
		if _, err := fmt.Fprintf(w, "# %s\n#%s=%s\n\n", s.Doc, s.Name, s.Default); err != nil {
			return fmt.Errorf("write example: %w", err)
		}
	}
	return nil
}
