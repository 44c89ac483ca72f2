package decode

import "bytes"

// scan reads the row at pos field by field, and returns where it ends, -1 if the
// window has not the whole row.
func (c *csvReader) scan() (end, width int, err error) {
	buf, ended := c.w.buf, c.w.ended()
	// Beyond sure, what begins may be longer than the window shows.
	sure := len(buf)
	if !ended {
		sure -= c.ahead
	}
	for p := c.w.pos; ; p += len(c.term) {
		from, open := p, p
		var quoted, doubled, escaped bool
		if p < sure && int(buf[p]) == c.quote && (!c.mixed || c.lineEnd(buf[p:]) == 0 && !bytes.HasPrefix(buf[p:], c.term)) {
			quoted = true
			from = p + 1
			p, doubled, escaped, err = c.closing(from)
			if err != nil || p < 0 {
				return -1, 0, err
			}
		} else {
			p, escaped, err = c.unquoted(p, sure)
			if err != nil || p < 0 {
				return -1, 0, err
			}
		}
		to := p
		if quoted {
			p++
		}
		if p > sure {
			return -1, 0, nil
		}
		if len(c.fields) == maxFields {
			return -1, 0, c.wrong(c.w.pos, -1, nil, ErrTooManyFields)
		}
		if err := c.field(buf[from:to], quoted, doubled, escaped); err != nil {
			return -1, 0, err
		}
		if p == len(buf) {
			return p, 0, nil
		}
		if n := c.lineEnd(buf[p:]); n > 0 {
			return p, n, nil
		}
		if !bytes.HasPrefix(buf[p:], c.term) {
			return -1, 0, c.wrong(p, len(c.fields)-1, buf[open:min(p+16, len(buf))], ErrNoSeparator)
		}
	}
}

// unquoted returns the end of the field at p: a separator, a line end or the end of
// the file. It is -1 if the window does not show it.
func (c *csvReader) unquoted(p, sure int) (end int, escaped bool, err error) {
	buf, from := c.w.buf, p
	for {
		for p < len(buf) && !c.special[buf[p]] {
			p++
		}
		switch {
		case p == len(buf) && c.w.ended():
			return p, escaped, nil
		case p >= sure:
			return -1, false, nil
		case c.lineEnd(buf[p:]) > 0, bytes.HasPrefix(buf[p:], c.term):
			return p, escaped, nil
		case int(buf[p]) == c.quote:
			return -1, false, c.wrong(p, len(c.fields), buf[from:min(p+16, len(buf))], ErrNoSeparator)
		case int(buf[p]) == c.esc:
			if p+1 == len(buf) {
				return -1, false, c.wrong(p, len(c.fields), buf[from:p+1], ErrDanglingEscape)
			}
			escaped = true
			p++
			fallthrough
		default:
			p += c.char(buf[p:])
		}
	}
}

// closing returns where the quote is that closes the field whose content begins at
// from. It is -1 if the window does not show it.
func (c *csvReader) closing(from int) (end int, doubled, escaped bool, err error) {
	buf := c.w.buf
	for p := from; ; {
		p = c.stop(p)
		switch {
		case p >= len(buf):
			if !c.w.ended() {
				return -1, false, false, nil
			}
			return -1, false, false, c.wrong(from-1, len(c.fields), buf[from-1:], ErrUnterminatedQuote)
		case int(buf[p]) == c.quote:
			if p+1 == len(buf) && !c.w.ended() {
				return -1, false, false, nil
			}
			if p+1 == len(buf) || int(buf[p+1]) != c.quote {
				return p, doubled, escaped, nil
			}
			doubled = true
			p += 2
		case int(buf[p]) == c.esc:
			if p+1 == len(buf) {
				if !c.w.ended() {
					return -1, false, false, nil
				}
				return -1, false, false, c.wrong(p, len(c.fields), buf[from:], ErrDanglingEscape)
			}
			escaped = true
			p++
			fallthrough
		default:
			p += c.char(buf[p:])
		}
	}
}

// stop returns the first place from p on that a scan within quotes has to look at.
func (c *csvReader) stop(p int) int {
	buf := c.w.buf
	if p >= len(buf) {
		return p
	}
	if c.conv != nil && c.conv.length != nil {
		for p < len(buf) && !c.inQuote[buf[p]] {
			p++
		}
		return p
	}
	if c.nextQuote < p {
		c.nextQuote = next(buf, p, byte(c.quote))
	}
	if c.esc < 0 {
		return c.nextQuote
	}
	if c.nextEsc < p {
		c.nextEsc = next(buf, p, byte(c.esc))
	}
	return min(c.nextQuote, c.nextEsc)
}

// field appends what is between the quotes, or separators, as a field. Where nothing is
// NULL, nothing in quotes is the empty text.
func (c *csvReader) field(content []byte, quoted, doubled, escaped bool) error {
	if c.escNull && escaped && string(content) == c.null {
		c.fields = append(c.fields, Field{Kind: Null})
		return nil
	}
	value := content
	if c.conv != nil && !ascii(content) {
		var err error
		if value, err = c.convert(content); err != nil {
			return err
		}
	}
	if doubled || escaped {
		from := len(c.scratch)
		c.scratch = c.cook(c.scratch, value)
		value = c.scratch[from:len(c.scratch):len(c.scratch)]
	}
	if !c.escNull && len(value) == len(c.null) && (!quoted || c.null != "") && string(value) == c.null {
		c.fields = append(c.fields, Field{Kind: Null})
		return nil
	}
	c.fields = append(c.fields, Field{Value: value})
	return nil
}
