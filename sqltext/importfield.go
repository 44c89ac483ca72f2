package sqltext

// ImportField is an entry of the column list. Both empty: the field is skipped.
type ImportField struct {
	Column string `json:"column,omitempty"`
	Var    string `json:"var,omitempty"` // without @, lower case
}

// ImportSet is one assignment of the SET clause.
type ImportSet struct {
	Column string `json:"column"`
	Expr   string `json:"expr"` // as SQL, variables as @`name`
}
