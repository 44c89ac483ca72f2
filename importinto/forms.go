package importinto

import (
	"bytes"
	"slices"
	"strings"

	"dxfproxy/decode"
)

// A form is how the values of a target are in the stream, and what the session must be
// like, where that is not one way for all values.
type form byte

const (
	anyForm   form = iota // whatever those before were in: NULL
	textForm              // as for the other columns
	bytesForm             // bytes of the column's own character set, as digits
	instant               // a TIMESTAMP's value in UTC
)

// touchy says whether the form of a column's values depends on the values.
func (t *target) touchy(format string) bool {
	switch c := t.column; {
	case format == "sql":
		return (t.class == plain || t.class == choice) && c.Charset != "" && !strings.HasPrefix(c.Charset, "utf8mb") && c.Charset != "ascii"
	case format == "parquet":
		return c.DataType == "timestamp"
	}
	return false
}

// formOf is the form that a value wants.
func (t *target) formOf(f decode.Field) form {
	switch f.Kind {
	case decode.Null:
		return anyForm
	case decode.Bytes, decode.Octets:
		return bytesForm
	case decode.Instant:
		return instant
	case decode.Number:
		if t.column.class == plain && !wide(t.column.Charset) {
			return anyForm // the same digits
		}
	case decode.Text:
		if t.raw {
			return bytesForm
		}
	}
	return textForm
}

// wide says whether even ASCII is not written in ASCII's bytes.
func wide(charset string) bool {
	return strings.HasPrefix(charset, "utf16") || charset == "ucs2" || charset == "utf32"
}

// begin makes a layout its own first variant.
func (l *layout) begin() {
	l.variants = map[string]*layout{}
	l.forms = make([]form, len(l.touchy))
	l.variants[string(formKey(l.forms))] = l
}

func formKey(forms []form) []byte {
	key := make([]byte, len(forms))
	for i, f := range forms {
		key[i] = byte(f)
	}
	return key
}

// fit returns the variant of the layout that suits the row: now, which the rows before
// have, if it does.
func (l *layout) fit(row decode.Row, now *layout) *layout {
	if len(l.touchy) == 0 {
		return l
	}
	if now == nil || now.variantOf() != l {
		now = l
	}
	forms := now.forms
	for i, at := range l.touchy {
		if at >= len(row.Fields) {
			continue
		}
		if f := l.targets[at].formOf(row.Fields[at]); f != anyForm && f != forms[i] {
			if &forms[0] == &now.forms[0] {
				forms = slices.Clone(forms)
			}
			forms[i] = f
		}
	}
	if bytes.Equal(formKey(forms), formKey(now.forms)) {
		return now
	}
	key := string(formKey(forms))
	v := l.variants[key]
	if v == nil {
		if len(l.variants) == maxLayouts {
			clear(l.variants)
		}
		v = l.variant(forms)
		l.variants[key] = v
	}
	return v
}

// variant is the layout with other forms.
func (l *layout) variant(forms []form) *layout {
	v := *l
	v.base, v.forms, v.targets = l, forms, slices.Clone(l.targets)
	local, utc := false, false
	for i, at := range l.touchy {
		switch forms[i] {
		case bytesForm:
			v.targets[at].class, v.targets[at].holder = binary, holderOf(at)
		case instant:
			utc = true
		case textForm:
			local = local || l.targets[at].column.DataType == "timestamp"
		}
	}
	if !utc {
		return &v
	}
	v.utc = !local && !l.zoned
	for i, at := range l.touchy {
		if forms[i] == instant {
			t := &v.targets[at]
			if v.utc {
				t.zone = nil
			} else {
				t.once = true
			}
		}
	}
	return &v
}
