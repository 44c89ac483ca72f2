package sqltext

// alterAlone are the kinds of changes for which the privilege to alter the table
// is enough, of which several may stand in one job, and which an empty copy can
// tell. Whatever needs rights on other tables, or is of the table and not of its
// definition (foreign keys, the character set of what is there), runs on the
// client's own session, where the store checks it.
var alterAlone = map[SpecKind]bool{
	SpecAddIndex: true, SpecAddPrimaryKey: true, SpecAddCheck: true, SpecAddColumn: true,
	SpecDropColumn: true, SpecDropIndex: true, SpecDropPrimaryKey: true,
	SpecModify: true, SpecChange: true, SpecSetDefault: true, SpecRenameColumn: true, SpecRenameIndex: true, SpecIndexVisibility: true,
	SpecTableComment: true, SpecAutoIncrement: true, SpecOption: true,
}

// elsewhere are the words of a column's definition that reach for other tables
// and sequences.
var elsewhere = []string{"REFERENCES", "NEXTVAL", "LASTVAL", "SETVAL", "NEXT", "PREVIOUS"}

// Understood says whether a job may be made of the statement. A WAIT clause
// bounds the wait for a lock, which a job, that tries again, would not.
func (st *AlterTable) Understood() bool {
	if st.Wait >= 0 {
		return false
	}
	for _, spec := range st.Specs {
		if !alterAlone[spec.Kind] {
			return false
		}
		if spec.Adds() {
			continue
		}
		for _, t := range st.inside(spec.Span) {
			if isOneOf(st.all, t, elsewhere...) {
				return false
			}
		}
	}
	return true
}
