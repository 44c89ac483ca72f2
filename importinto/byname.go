package importinto

import (
	"fmt"
	"strings"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// byName says which columns of the table those of a Parquet file are: nil if they go
// by their position, because the statement lists columns, or because the file's names
// are none of the table's. A file of which some are is refused, for either way its
// values might come into columns that they are not for.
func (p *producer) byName(file []string) ([]string, error) {
	if p.meta.Fields != nil || len(file) == 0 {
		return nil, nil
	}
	if sameSlice(p.names, file) {
		return p.matched, nil
	}
	names, known := make([]string, len(file)), 0
	var others []string
	seen := map[string]bool{}
	for i, name := range file {
		names[i] = name
		found := false
		for _, c := range p.columns {
			found = found || !c.Versioned && strings.EqualFold(c.Name, name)
		}
		switch lower := strings.ToLower(name); {
		case !found:
			others = append(others, "'"+name+"'")
		case seen[lower]:
			return nil, &dxf.Error{Code: server.ErrFieldSpecifiedTwice, State: "42000", Message: fmt.Sprintf("Column '%s' specified twice", name)}
		default:
			known++
			seen[lower] = true
		}
	}
	switch {
	case known == 0:
		names = nil
	case others != nil:
		return nil, &dxf.Error{Code: server.ErrBadField, State: "42S22", Message: fmt.Sprintf(
			"Unknown column %s in the file, whose other columns are the table's: say where its columns go, "+
				"as in IMPORT INTO %s (a, @skipped, b) FROM",
			strings.Join(others[:min(len(others), 5)], ", "), p.meta.Table)}
	}
	p.names, p.matched = file, names
	return names, nil
}
