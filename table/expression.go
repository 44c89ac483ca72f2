package table

import "strings"

// Expressions of generated columns and checks are the server's own words, and what they
// come to may hang on who asks: on the time zone (a TIMESTAMP as a date), on the number of
// digits of a quotient, on the language of a month's name, on the sql_mode. The servers
// allow that, and keep in a stored column what the session that wrote the row got.

// alikeFunctions come to the same for everybody, and so do the words that may stand
// between operands. Whatever is not here is taken for something that does not.
var alikeFunctions = Words(`abs ascii bin bit_count bit_length case cast ceil ceiling char_length character_length coalesce concat
	concat_ws conv convert crc32 date datediff day dayofmonth dayofweek dayofyear elt extract field find_in_set floor from_base64
	greatest hex hour
	if ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa instr isnull json_array json_contains json_extract json_keys json_length json_object
	json_quote json_type json_unquote json_valid json_value last_day lcase least left length locate lower lpad ltrim md5 microsecond mid
	minute mod month nullif oct octet_length ord position quarter repeat replace reverse right round rpad rtrim second sha sha1 sha2 sign
	space strcmp substr substring substring_index time time_to_sec to_base64 to_days to_seconds trim truncate ucase unhex upper
	uuid_to_bin weekday year
	and or not xor is null true false when then else end between in as div signed unsigned integer int char charset character set collate
	binary decimal datetime double using interval from both leading trailing for day_hour year_month`)

// alike says whether an expression over these columns comes to the same in every
// session. "" does.
func alike(expression string, columns map[string]columnLine) bool {
	minus, unsigned := false, false
	for i := 0; i < len(expression); {
		c := expression[i]
		switch {
		case c == '`':
			name, n := unquote(expression[i:])
			if n == 0 {
				return false
			}
			column, known := columns[strings.ToLower(name)]
			if !known && !strings.HasPrefix(name, "utf8") || column.Type == "timestamp" {
				return false
			}
			unsigned = unsigned || column.unsigned
			i += n
		case c == '\'' || c == '"':
			n := skipQuoted(expression, i)
			if n == 0 {
				return false
			}
			i = n
		case isLetter(c):
			end := i
			for end < len(expression) && (isLetter(expression[end]) || isDigit(expression[end])) {
				end++
			}
			word := strings.ToLower(expression[i:end])
			// A character set before a text, or of a conversion.
			if !alikeFunctions[word] && word[0] != '_' && !charsetWord(word) {
				return false
			}
			i = end
		case isDigit(c):
			for i < len(expression) && (isDigit(expression[i]) || isLetter(expression[i]) || expression[i] == '.') {
				i++
			}
		case c == '/':
			return false
		default:
			minus = minus || c == '-'
			i++
		}
	}
	return !minus || !unsigned // NO_UNSIGNED_SUBTRACTION
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func charsetWord(w string) bool {
	return strings.HasPrefix(w, "utf8") || strings.HasPrefix(w, "latin") || w == "ascii"
}
