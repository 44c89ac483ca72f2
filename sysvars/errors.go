package sysvars

import "fmt"

// Error is what a client is told when a statement is refused.
type Error struct {
	Number   uint16
	SQLState string // five characters
	Message  string
}

// String is for logs and tests. Error is deliberately no error value: it is an
// answer to a client, and a nil *Error in an error would not be nil.
func (e *Error) String() string {
	return fmt.Sprintf("error %d (%s): %s", e.Number, e.SQLState, e.Message)
}

// Warning is a row of SHOW WARNINGS at level Warning.
type Warning struct {
	Number  uint16
	Message string
}

// Unknown is the answer to a name nobody knows, in SET and in SELECT @@name.
func Unknown(name string) *Error {
	return &Error{1193, "HY000", fmt.Sprintf("Unknown system variable '%s'", name)}
}

func errSessionOnlySet(name string) *Error {
	return &Error{1228, "HY000", fmt.Sprintf("Variable '%s' is a SESSION variable and can't be used with SET GLOBAL", name)}
}

func errGlobalOnlySet(name string) *Error {
	return &Error{1229, "HY000", fmt.Sprintf("Variable '%s' is a GLOBAL variable and should be set with SET GLOBAL", name)}
}

// errWrongScopeRead names the scope the variable does have.
func errWrongScopeRead(name, has string) *Error {
	return &Error{1238, "HY000", fmt.Sprintf("Variable '%s' is a %s variable", name, has)}
}

func errWrongValue(name, value string) *Error {
	return &Error{1231, "42000", fmt.Sprintf("Variable '%s' can't be set to the value of '%s'", name, value)}
}

func errWrongType(name string) *Error {
	return &Error{1232, "42000", fmt.Sprintf("Incorrect argument type to variable '%s'", name)}
}

// errPlain is TiDB's form of an error that has no number of its own.
func errPlain(format string, args ...any) *Error {
	return &Error{1105, "HY000", fmt.Sprintf(format, args...)}
}

func warnTruncated(name, value string) *Warning {
	return &Warning{1292, fmt.Sprintf("Truncated incorrect %s value: '%s'", name, value)}
}
