package sysvars

import "strings"

// Scope is the set of places a variable has a value in.
type Scope uint8

// A variable is Session, Global, both, or Instance: one node's own value,
// which is lost at restart.
const (
	Session Scope = 1 << iota
	Global
	Instance
)

// String is the VARIABLE_SCOPE text of information_schema.VARIABLES_INFO.
func (s Scope) String() string {
	switch s {
	case Session:
		return "SESSION"
	case Global:
		return "GLOBAL"
	case Session | Global:
		return "SESSION,GLOBAL"
	case Instance:
		return "INSTANCE"
	}
	return "NONE"
}

// Form is how a statement names the scope of a variable.
type Form uint8

// The forms of SET and of SELECT @@name.
const (
	Plain        Form = iota // SET x, @@x
	FormSession              // SET SESSION x, SET LOCAL x, @@session.x, @@local.x
	FormGlobal               // SET GLOBAL x, @@global.x
	FormPersist              // SET PERSIST x, SET PERSIST_ONLY x, @@persist.x
	FormInstance             // SET INSTANCE x, @@instance.x
)

// Type decides which values are taken and how they are printed.
type Type uint8

// Types of variables.
const (
	Bool     Type = iota // kept as ON or OFF
	Unsigned             // clamped between Min and Max
	Int                  // clamped between Min and Max; SELECT prints text
	Size                 // a byte count; SET also takes text with a unit, such as 16MiB
	Enum                 // one of Values, in the case they are declared
	String
)

// Var describes one variable. Its values live with the caller.
type Var struct {
	Name    string // lower case
	Scope   Scope
	Type    Type
	Default string
	Min     int64    // of Unsigned, Int and Size
	Max     int64    // of Unsigned, Int and Size
	Values  []string // of Enum; the position is the ordinal SET takes too

	check func(text, normalised string) (string, *Error)
	read  func(value string) string
}

// Lookup finds a variable by its name in any case.
func Lookup(name string) (*Var, bool) {
	v, ok := byName[name]
	if !ok {
		v, ok = byName[strings.ToLower(name)]
	}
	return v, ok
}

// All returns every variable in alphabetical order. The slice is the caller's.
func All() []*Var {
	all := make([]*Var, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

var byName = func() map[string]*Var {
	m := make(map[string]*Var, len(list))
	for i := range list {
		m[list[i].Name] = &list[i]
	}
	return m
}()

// CheckSet says whether SET may use the variable in this form, and which of
// the variable's values it then changes: Global, Session or Instance.
//
// An instance variable takes every form: SET without GLOBAL changes the
// connected node too, as TiDB does while tidb_enable_legacy_instance_scope is ON.
func (v *Var) CheckSet(form Form) (Scope, *Error) {
	if v.Scope == Instance {
		return Instance, nil
	}
	switch form {
	case FormGlobal, FormPersist:
		if v.Scope&Global == 0 {
			return 0, errSessionOnlySet(v.Name)
		}
		return Global, nil
	case Plain, FormSession:
		if v.Scope&Session == 0 {
			return 0, errGlobalOnlySet(v.Name)
		}
		return Session, nil
	}
	return 0, errWrongScopeRead(v.Name, v.Scope.only())
}

// CheckRead says whether SELECT may read the variable in this form, and which
// of its values is meant.
func (v *Var) CheckRead(form Form) (Scope, *Error) {
	switch {
	case form == FormInstance && v.Scope == Instance:
		return Instance, nil
	case form == FormSession && v.Scope&Session == 0,
		form == FormGlobal && v.Scope == Session,
		form == FormPersist && v.Scope&Global == 0,
		form == FormInstance:
		return 0, errWrongScopeRead(v.Name, v.Scope.only())
	case v.Scope == Instance:
		return Instance, nil
	case form == FormGlobal, form == FormPersist, v.Scope&Session == 0:
		return Global, nil
	}
	return Session, nil
}

// only names the scope in error 1238, where an instance variable counts as
// global: that is how it is set.
func (s Scope) only() string {
	if s == Session {
		return "SESSION"
	}
	return "GLOBAL"
}
