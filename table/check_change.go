package table

// checkChange: the columns that both tables have must be the same, so that the
// server copies bytes and the changefeed can write the values it read.
func checkChange(t *Info, target Definition, _ Settings) Reason {
	source, err := Parse(t.Create)
	if err != nil {
		return "its definition is of an unexpected form"
	}
	if why := obstacle(source, target); why != "" {
		return Reason(why)
	}
	return ""
}

// checkTargetKey: a row is the same row on both sides by the copy key.
func checkTargetKey(t *Info, target Definition, _ Settings) Reason {
	source, err := Parse(t.Create)
	if err != nil || t.CopyKey == nil {
		return "its definition is of an unexpected form"
	}
	for _, s := range source.Indexes {
		if s.Name != t.CopyKey.Name {
			continue
		}
		for _, l := range target.Indexes {
			if (l.Kind == PrimaryKey || l.Kind == UniqueKey) && contents(l) == contents(s) {
				return ""
			}
		}
	}
	return reasonf("key %s, by which rows are copied, is changed", t.CopyKey.Name)
}
