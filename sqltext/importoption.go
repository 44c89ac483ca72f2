package sqltext

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/opcode"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// OptionKind is what stands behind an option's =.
type OptionKind uint8

// Kinds of values.
const (
	NoValue OptionKind = iota
	TextValue
	IntegerValue
	OtherValue // TRUE, NULL, 1.5, a number beyond 63 bits: no option takes it
)

// ImportOption is one item of WITH.
type ImportOption struct {
	Name string // lower case
	Kind OptionKind
	Text string // the value; of an IntegerValue its digits
	N    int64
}

// readOption reads an item that the parser has taken.
func readOption(o *ast.LoadDataOpt) ImportOption {
	out := ImportOption{Name: strings.ToLower(o.Name)}
	value, sign := o.Value, int64(1)
	if u, ok := value.(*ast.UnaryOperationExpr); ok {
		value = u.V
		if u.Op == opcode.Minus {
			sign = -1
		}
	}
	v, ok := value.(*driver.ValueExpr)
	if o.Value == nil || !ok {
		return out
	}
	out.Kind = OtherValue
	switch v.Kind() {
	case driver.KindString, driver.KindBinaryLiteral:
		if o.Value == value {
			out.Kind, out.Text = TextValue, v.GetString()
		}
	case driver.KindInt64:
		if v.Type.GetFlag()&mysql.IsBooleanFlag == 0 {
			out.Kind, out.N = IntegerValue, sign*v.GetInt64()
			out.Text = fmt.Sprint(out.N)
		}
	}
	return out
}
