package sqltext

// SpecKind says what one change of an ALTER TABLE does.
type SpecKind uint8

// Kinds of changes.
const (
	SpecOther SpecKind = iota
	SpecAddIndex
	SpecAddPrimaryKey
	SpecAddVectorIndex
	SpecAddForeignKey
	SpecAddCheck
	SpecAddColumn
	SpecAddPartition
	SpecDropColumn
	SpecDropIndex
	SpecDropPrimaryKey
	SpecDropForeignKey
	SpecDropConstraint
	SpecDropPartition
	SpecTruncatePartition
	SpecExchangePartition
	SpecReorganizePartition
	SpecPartitionBy
	SpecRemovePartitioning
	SpecOtherPartition
	SpecModify
	SpecChange
	SpecSetDefault
	SpecRenameColumn
	SpecRenameIndex
	SpecRenameTable
	SpecIndexVisibility
	SpecConvert      // CONVERT TO CHARACTER SET
	SpecTableOption  // ENGINE, ROW_FORMAT, FORCE, ORDER BY …: any option not named below
	SpecTableCharset // [DEFAULT] CHARACTER SET, COLLATE
	SpecTableComment // COMMENT alone
	SpecAutoIncrement
	SpecOption // ALGORITHM, LOCK: how, not what
)

// jobTypes are TiDB's words. A change TiDB has no word for is shown as the
// nearest that says something.
var jobTypes = [...]string{
	SpecOther: "alter table", SpecAddIndex: "add index", SpecAddPrimaryKey: "add primary key",
	SpecAddVectorIndex: "add vector index", SpecAddForeignKey: "add foreign key", SpecAddCheck: "add check constraint",
	SpecAddColumn: "add column", SpecAddPartition: "add partition", SpecDropColumn: "drop column", SpecDropIndex: "drop index",
	SpecDropPrimaryKey: "drop primary key", SpecDropForeignKey: "drop foreign key", SpecDropConstraint: "drop check constraint",
	SpecDropPartition: "drop partition", SpecTruncatePartition: "truncate partition", SpecExchangePartition: "exchange partition",
	SpecReorganizePartition: "alter table reorganize partition", SpecPartitionBy: "alter table partition by",
	SpecRemovePartitioning: "alter table remove partitioning", SpecOtherPartition: "alter table partition attributes",
	SpecModify: "modify column", SpecChange: "modify column", SpecSetDefault: "set default value", SpecRenameColumn: "modify column",
	SpecRenameIndex: "rename index", SpecRenameTable: "rename table", SpecIndexVisibility: "alter index visibility",
	SpecConvert: "modify table charset and collate", SpecTableOption: "alter table",
	SpecTableCharset: "modify table charset and collate", SpecTableComment: "modify table comment",
	SpecAutoIncrement: "rebase auto_increment ID", SpecOption: "",
}

// Spec is one change of an ALTER TABLE, or what CREATE INDEX adds.
type Spec struct {
	Kind SpecKind
	Span Span // without the commas around it; all of a CREATE INDEX

	// Name is the column, key or partition concerned, where the kind has one;
	// of SpecRenameTable it is the schema-less new name.
	Name string
	To   string // SpecChange and SpecRenameColumn: the column's new name
	// Index is the name of SpecAddIndex, "" if the server is to choose; of a UNIQUE
	// constraint the constraint's if it has no other.
	Index string
}

// JobType is TiDB's name for a job of this change.
func (s Spec) JobType() string { return jobTypes[s.Kind] }

// Adds says whether the change adds an index or a primary key.
func (s Spec) Adds() bool { return s.Kind == SpecAddIndex || s.Kind == SpecAddPrimaryKey }
