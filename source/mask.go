package source

import (
	"net/url"
	"strings"
)

// masked stands where a secret was, as TiDB writes it.
const masked = "xxxxxx"

// secretParameters are the URI parameters whose values nobody may see, by their
// normal names. TiDB masks them per scheme; a key that was given to the wrong
// scheme is no less a key. sig is what a shared access signature that was not
// escaped leaves behind.
var secretParameters = map[string]bool{
	"access-key": true, "secret-access-key": true, "session-token": true,
	"account-key": true, "sas-token": true, "encryption-key": true,
	"sig": true,
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
		return MaskText(uri)
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), masked)
		}
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return MaskText(uri)
	}
	switch u.Scheme {
	case "s3", "ks3", "oss", "azure", "azblob":
	default:
		secret := u.User != nil
		for name := range values {
			secret = secret || secretParameters[parameterName(name)]
		}
		if !secret {
			return uri
		}
	}
	for name := range values {
		if secretParameters[parameterName(name)] {
			values[name] = []string{masked}
		} else {
			for i, value := range values[name] {
				values[name][i] = MaskText(value) // an endpoint may carry a signature
			}
		}
	}
	u.RawQuery = values.Encode()
	return u.String()
}

// MaskText replaces the secrets of every location in a text, such as that of a
// statement, and leaves the rest as it is, byte for byte. It asks for no valid
// SQL and no valid URI: whatever looks like a secret parameter with a value
// loses the value, up to the next &, the quote that closes it, or white space
// where there is no quote.
func MaskText(text string) string {
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
		end := at + 1
		if equals, ok := parameterAt(text, at); ok {
			end = valueEnd(text, equals+1, quote)
			if end > equals+1 {
				out.WriteString(text[done : equals+1])
				out.WriteString(masked)
				done = end
			}
		}
		at = end
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
const longestName = 3 * len("secret-access-key")

// parameterAt finds the "=" of a secret parameter whose name begins at the
// place. The name may be escaped.
func parameterAt(text string, at int) (equals int, ok bool) {
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
	return end, secretParameters[parameterName(name)]
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
