package sqltext

import (
	"slices"
	"strings"
)

// ddlJobs is the name of information_schema's table of jobs.
const ddlJobs = "ddl_jobs"

// afterTable are the words behind a table of a FROM that are not its alias.
var afterTable = words("WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT MINUS JOIN INNER LEFT RIGHT CROSS NATURAL STRAIGHT_JOIN ON USING FOR LOCK" +
	" USE FORCE IGNORE WINDOW PROCEDURE INTO FETCH OFFSET")

// JobRefs are the places of a SELECT where ddl_jobs is named; ddl_jobs() stands in
// what replaces them for the derived table.
func JobRefs(text []byte, m Mode, current string) (edits []Edit) {
	toks, _ := tokens(text, m)
	first := 0
	for first < len(toks) && toks[first].Kind == TokenPunct && text[toks[first].Start] == '(' {
		first++
	}
	if first == len(toks) || !isWord(text, toks[first], "SELECT") && !isWord(text, toks[first], "WITH") {
		return nil
	}
	refs, ok := virtualRefs(text, m)
	if !ok {
		return nil
	}
	if current == "information_schema" {
		refs = append(refs, bareRefs(text, toks)...)
	}
	for _, r := range refs {
		if r.table != ddlJobs || slices.ContainsFunc(edits, func(e Edit) bool { return e.Start == r.Start }) {
			continue
		}
		next := toks[slices.IndexFunc(toks, func(t Token) bool { return t.Start >= r.End })]
		word := ""
		if next.Kind == TokenWord {
			word = strings.ToUpper(string(next.Of(text)))
		}
		switch {
		case !r.qualified, isDot(text, next): // a column's
			edits = append(edits, Edit{r.Span, quote(ddlJobs)})
		case isName(next) && !afterTable[word]: // AS, or the alias itself
			edits = append(edits, Edit{r.Span, ddlJobs + "()"})
		default:
			edits = append(edits, Edit{r.Span, ddlJobs + "() AS " + quote(ddlJobs)})
		}
	}
	return edits
}
