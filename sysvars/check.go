package sysvars

import (
	"strconv"
	"strings"
)

// ValueKind is what stands on the right-hand side of an assignment.
type ValueKind uint8

// Kinds of values. A value of kind Expr must be computed by the caller first
// and given to Check as StringValue (or NullValue).
const (
	StringValue  ValueKind = iota // a quoted text, without its quotes, or a computed value
	WordValue                     // a bare identifier, ON and OFF among them: stands for its text
	NumberValue                   // an integer or decimal literal with its sign
	BoolValue                     // TRUE or FALSE
	NullValue                     // NULL: counts as the empty text
	DefaultValue                  // DEFAULT
	Expr
)

// Check says what is stored when a SET gives the variable this value: the
// normalised text, a warning if the value was bent into range, or the error
// that refuses it. White space is never trimmed.
//
// DefaultValue gives the compiled default, which is right for SET GLOBAL; in
// SET SESSION it means the current global value, which only the caller knows.
func (v *Var) Check(text string, kind ValueKind) (string, *Warning, *Error) {
	switch kind {
	case DefaultValue:
		return v.Default, nil, nil
	case NullValue:
		text = ""
	case BoolValue:
		if strings.EqualFold(text, "TRUE") {
			text = "1"
		} else {
			text = "0"
		}
	case Expr:
		return "", nil, errWrongType(v.Name)
	}

	var norm string
	var warning *Warning
	var err *Error
	switch v.Type {
	case Bool:
		norm, err = v.checkBool(text)
	case Unsigned:
		norm, warning, err = v.checkUnsigned(text)
	case Int:
		norm, warning, err = v.checkInt(text)
	case Size:
		norm, err = v.checkSize(text)
	case Enum:
		norm, err = v.checkEnum(text)
	case String:
		norm = text
	}
	if err == nil && v.check != nil {
		norm, err = v.check(text, norm)
	}
	if err != nil {
		return "", nil, err
	}
	return norm, warning, nil
}

func (v *Var) checkBool(text string) (string, *Error) {
	switch {
	case strings.EqualFold(text, "ON"):
		return "ON", nil
	case strings.EqualFold(text, "OFF"):
		return "OFF", nil
	}
	switch n, err := strconv.ParseInt(text, 10, 64); {
	case err == nil && n == 1:
		return "ON", nil
	case err == nil && n == 0:
		return "OFF", nil
	}
	return "", errWrongValue(v.Name, text)
}

func (v *Var) checkUnsigned(text string) (string, *Warning, *Error) {
	if strings.HasPrefix(text, "-") {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "", nil, errWrongType(v.Name)
		}
		return strconv.FormatInt(v.Min, 10), warnTruncated(v.Name, text), nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return "", nil, errWrongType(v.Name)
	case n < uint64(v.Min):
		return strconv.FormatInt(v.Min, 10), warnTruncated(v.Name, text), nil
	case n > uint64(v.Max):
		return strconv.FormatInt(v.Max, 10), warnTruncated(v.Name, text), nil
	}
	return strconv.FormatUint(n, 10), nil, nil
}

func (v *Var) checkInt(text string) (string, *Warning, *Error) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return "", nil, errWrongType(v.Name)
	case n < v.Min:
		return strconv.FormatInt(v.Min, 10), warnTruncated(v.Name, text), nil
	case n > v.Max:
		return strconv.FormatInt(v.Max, 10), warnTruncated(v.Name, text), nil
	}
	return strconv.FormatInt(n, 10), nil, nil
}

func (v *Var) checkSize(text string) (string, *Error) {
	n, err := ParseSize(text)
	if err != nil {
		return "", errPlain("%s", err.Error())
	}
	if n < v.Min || n > v.Max {
		return "", errPlain("invalid value for '%d', it should be within [%d, %d]", n, v.Min, v.Max)
	}
	return strconv.FormatInt(n, 10), nil
}

func (v *Var) checkEnum(text string) (string, *Error) {
	for i, value := range v.Values {
		if strings.EqualFold(text, value) || text == strconv.Itoa(i) {
			return value, nil
		}
	}
	return "", errWrongValue(v.Name, text)
}

func checkMaxDistTaskNodes(_, normalised string) (string, *Error) {
	if normalised == "0" {
		return "", errPlain("max_dist_task_nodes should be -1 or [1, 128]")
	}
	return normalised, nil
}

// maxScopeLength is the width of the role column in dist_framework_meta.
const maxScopeLength = 64

// checkServiceScope checks the text as typed and stores it in lower case.
func checkServiceScope(text, _ string) (string, *Error) {
	bad := len(text) > maxScopeLength
	for i := 0; i < len(text) && !bad; i++ {
		c := text[i]
		bad = !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if bad {
		return "", errPlain("the tidb-service-scope value '%s' is invalid. It must be 64 characters or fewer and consist only of"+
			" letters (a-z, A-Z), numbers (0-9), hyphens (-), and underscores (_)", text)
	}
	return strings.ToLower(text), nil
}
