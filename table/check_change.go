package table

import (
	"slices"
)

// checkChange: the columns that both tables have must be the same, so that the
// server copies bytes and the changefeed can write the values it read.
func checkChange(t *Info, target Definition, _ Conditions) Reason {
	source, err := Parse(t.Create)
	if err != nil {
		return "its definition is of an unexpected form"
	}
	if why := obstacle(source, target); why != "" {
		return Reason(why)
	}
	return ""
}

// checkTargetKey: a row is the same row on both sides by the copy key, and no
// other row's by the primary key, which is there from the start.
func checkTargetKey(t *Info, target Definition, _ Conditions) Reason {
	source, err := Parse(t.Create)
	if err != nil || t.CopyKey == nil {
		return "its definition is of an unexpected form"
	}
	unique := func(l Line) bool { return l.Kind == PrimaryKey || l.Kind == UniqueKey }
	has := func(indexes []Line, key Line) bool {
		return slices.ContainsFunc(indexes, func(l Line) bool { return unique(l) && contents(l) == contents(key) })
	}
	for _, l := range source.Indexes {
		if l.Name == t.CopyKey.Name && !has(target.Indexes, l) {
			return reasonf("key %s, by which rows are copied, is changed", l.Name)
		}
	}
	for _, l := range target.Indexes {
		if l.Kind == PrimaryKey && !has(source.Indexes, l) {
			return "a primary key is added"
		}
	}
	if l, ok := target.clustered(); ok && !has(source.Indexes, l) {
		return reasonf("rows are to be kept in the order of new key %s", l.Name)
	}
	return ""
}

// checkAutoIncrement: the column needs an index at all times, and not one that
// rows could break.
func checkAutoIncrement(t *Info, target Definition, _ Conditions) Reason {
	source, err := Parse(t.Create)
	if err != nil || t.CopyKey == nil {
		return "its definition is of an unexpected form"
	}
	column := t.AutoIncrementColumn()
	if _, _, ok := Indexes(source, target, t.CopyKey, column); !ok {
		return reasonf("AUTO_INCREMENT column %s would have no index but a new unique one", column)
	}
	return ""
}
