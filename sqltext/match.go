package sqltext

import "bytes"

// needleWindow is how far into a statement a name of ours is looked for. Every
// SELECT and INSERT pays for it; longer texts are bulk data.
const needleWindow = 4 << 10

// Match says whether a statement may be ours and is worth a call of Classify.
// It allocates nothing and costs less than 100 ns on everyday statements.
//
// DDL, ADMIN, SHOW and the import statements always match; all others
// only if their first 4 KiB contain tidb_, dxf_, ddl_jobs, dist_framework_meta,
// global_variables, variables_info or sql_log_bin, in any case, or an IMPORT behind a
// semicolon or in an executable comment. KILL is the relay's business.
func Match(text []byte) bool {
	l := Lexer{src: text}
	for {
		if !l.skipBlank() || l.executable {
			// Text in an executable comment is the store's to judge, but for one.
			return hasImport(text[:min(len(text), needleWindow)])
		}
		if l.at(0) != ';' {
			break
		}
		l.pos++
	}
	start := l.pos
	l.word()
	if verb := text[start:l.pos]; len(verb) > 0 {
		switch verb[0] | 0x20 {
		case 'a':
			if equalFold(verb, "ALTER") || equalFold(verb, "ADMIN") {
				return true
			}
		case 'c':
			if equalFold(verb, "CREATE") || equalFold(verb, "CANCEL") {
				return true
			}
		case 'd':
			if equalFold(verb, "DROP") {
				return true
			}
		case 'i':
			if equalFold(verb, "IMPORT") {
				return true
			}
		case 'p':
			if equalFold(verb, "PAUSE") {
				return true
			}
		case 'r':
			if equalFold(verb, "RENAME") || equalFold(verb, "RESUME") {
				return true
			}
		case 's':
			if equalFold(verb, "SHOW") {
				return true
			}
		case 't':
			if equalFold(verb, "TRUNCATE") {
				return true
			}
		}
	}
	head := text[start:min(len(text), start+needleWindow)]
	return hasNeedle(head) || importBehind(head)
}

// hasNeedle looks for our names. All of them have an underscore, which
// ordinary statements are nearly free of and the machine finds fast.
func hasNeedle(b []byte) bool {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '_')
		if i < 0 {
			return false
		}
		head, tail := b[:from+i], b[from+i+1:]
		if endsFold(head, "TIDB") || endsFold(head, "DXF") ||
			endsFold(head, "DDL") && beginsFold(tail, "JOBS") ||
			endsFold(head, "DIST") && beginsFold(tail, "FRAMEWORK_META") ||
			endsFold(head, "GLOBAL") && beginsFold(tail, "VARIABLES") ||
			endsFold(head, "VARIABLES") && beginsFold(tail, "INFO") ||
			endsFold(head, "SQL") && beginsFold(tail, "LOG_BIN") {
			return true
		}
		from += i + 1
	}
}

func endsFold(b []byte, upper string) bool {
	return len(b) >= len(upper) && equalFold(b[len(b)-len(upper):], upper)
}

func beginsFold(b []byte, upper string) bool {
	return len(b) >= len(upper) && equalFold(b[:len(upper)], upper)
}
