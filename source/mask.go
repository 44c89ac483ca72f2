package source

import (
	"encoding/hex"
	"net/url"
	"strings"
)

// masked stands where a secret was, as TiDB writes it.
const masked = "xxxxxx"

// secretParameters are the URI parameters whose values nobody may see, by their
// normal names. TiDB masks them per scheme; a key that was given to the wrong
// scheme is no less a key. sig is what a shared access signature that was not
// escaped leaves behind, the last ones are those of addresses that AWS and Google
// have signed.
var secretParameters = map[string]bool{
	"access-key": true, "secret-access-key": true, "session-token": true,
	"account-key": true, "sas-token": true, "encryption-key": true,
	"sig": true, "signature": true,
	"x-amz-credential": true, "x-amz-security-token": true, "x-amz-signature": true, "x-goog-credential": true, "x-goog-signature": true,
}

// secretName says whether the value of a parameter is to be masked where it is
// known to be one of a URI: also one that is not known to us, and sounds like it.
func secretName(name string) bool {
	name = parameterName(name)
	if name == "credentials-file" {
		return false
	}
	for _, word := range []string{"secret", "passw", "token", "signature", "credential", "access-key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return secretParameters[name] || strings.HasSuffix(name, "key")
}

// parameterName is the name by which a parameter is known: case does not count,
// and "_" is "-".
func parameterName(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// Mask is the location with its secrets replaced by xxxxxx, as SHOW IMPORT JOBS
// prints it. Like TiDB's, the parameters of one with secrets come out sorted
// and escaped. A path on a disk stays as it was typed; what is no URI at all is
// masked as text.
func Mask(uri string) string {
	if strings.HasPrefix(uri, "/") {
		return uri
	}
	u, err := url.Parse(uri) // a plus read as a space is written as a plus again
	if err != nil {
		return maskText(uri, secretName)
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), masked)
		}
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return maskText(uri, secretName)
	}
	secret := u.User != nil || u.Fragment != ""
	if u.Fragment != "" {
		u.Fragment, u.RawFragment = masked, "" // no location has one: it is what follows an unescaped # in a key
	}
	for name := range values {
		for i, value := range values[name] {
			switch shown := maskText(value, secretName); { // an endpoint may carry a signature or a password
			case secretName(name) && value != "":
				values[name][i], secret = masked, true
			case shown != value:
				values[name][i], secret = shown, true
			}
		}
	}
	switch u.Scheme {
	case "s3", "ks3", "oss", "azure", "azblob":
	default:
		if !secret {
			return MaskText(uri)
		}
	}
	u.RawQuery = values.Encode()
	return MaskText(u.String()) // what stands in front of the ?, if an & was typed for it
}

// MaskText replaces the secrets of every location in a text, such as that of a
// statement, and leaves the rest as it is, byte for byte. It asks for no valid
// SQL and no valid URI: whatever looks like a secret parameter with a value
// loses the value, up to the next &, the quote that closes it, or white space
// where there is no quote; and the user of an address its password.
func MaskText(text string) string {
	return maskText(text, func(name string) bool { return secretParameters[parameterName(name)] })
}

func maskText(text string, secret func(name string) bool) string {
	var out strings.Builder
	quote := byte(0) // the quote the text is inside of
	escaped := false // the byte before was a backslash that escapes
	done := 0        // bytes of text written to out
	for at := 0; at < len(text); {
		c := text[at]
		switch {
		case escaped:
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		}
		escaped = quote != 0 && c == '\\' && !escaped
		from, to := at, at
		if equals, ok := parameterAt(text, at, secret); ok {
			from, to = equals+1, valueEnd(text, equals+1, quote)
		} else {
			from, to = passwordAt(text, at)
		}
		if to > from {
			out.WriteString(text[done:from])
			out.WriteString(masked)
			done = to
		}
		at = max(at+1, to)
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c == '%' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// longestName bounds the search for "=": the longest name with every byte
// escaped.
const longestName = 3 * len("x-amz-security-token")

// parameterAt finds the "=" of a secret parameter whose name begins at the
// place. The name may be escaped.
func parameterAt(text string, at int, secret func(name string) bool) (equals int, ok bool) {
	if !nameByte(text[at]) || at > 0 && nameByte(text[at-1]) {
		return 0, false
	}
	end := at
	for end < len(text) && end-at <= longestName && nameByte(text[end]) {
		end++
	}
	if end == len(text) || text[end] != '=' {
		return 0, false
	}
	name := text[at:end]
	if strings.Contains(name, "%") {
		if unescaped, err := url.QueryUnescape(name); err == nil {
			name = unescaped
		}
	}
	return end, secret(name)
}

// passwordAt finds the password of an address, http://user:password@host, whose
// "://" begins at the place; empty if there is none. The address may be escaped,
// as in the value of a parameter.
func passwordAt(text string, at int) (from, to int) {
	if text[at] != ':' && text[at] != '%' {
		return at, at
	}
	escaped := false // the slashes are, and so would be one that ends the host
	next := at
	for _, want := range []byte("://") {
		c, size := unescapedAt(text, next)
		if c != want {
			return at, at
		}
		escaped, next = size > 1, next+size
	}
	from = -1
	for next < len(text) {
		c, size := unescapedAt(text, next)
		switch {
		case c == ':' && from < 0:
			from = next + size
		case c == '@' && from >= 0:
			to = next
		case (size == 1 || escaped) && strings.IndexByte("/?#& \t\r\n'\"`", c) >= 0:
			next = len(text)
		}
		next += size
	}
	if from < 0 || to < from {
		return at, at
	}
	return from, to
}

// unescapedAt is the byte at a place, and how many bytes of the text it takes.
func unescapedAt(text string, at int) (c byte, size int) {
	if at >= len(text) {
		return 0, 0
	}
	if text[at] == '%' && at+2 < len(text) {
		if b, err := hex.DecodeString(text[at+1 : at+3]); err == nil {
			return b[0], 3
		}
	}
	return text[at], 1
}

// valueEnd is where the value that begins at the place ends. Inside quotes a
// doubled or escaped quote belongs to it.
func valueEnd(text string, at int, quote byte) int {
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case c == '&':
			return at
		case quote == 0 && (c == '\'' || c == '"' || c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			return at
		case quote != 0 && c == '\\' && at+1 < len(text):
			at++
		case quote != 0 && c == quote:
			if at+1 < len(text) && text[at+1] == quote {
				at++
				continue
			}
			return at
		}
	}
	return at
}
