package decode

// CSVConfig is a dialect of CSV; see the options of IMPORT INTO.
type CSVConfig struct {
	Charset    string `json:"charset,omitempty"`   // character_set; "" is utf8mb4
	Terminated string `json:"terminated"`          // fields_terminated_by
	Enclosed   string `json:"enclosed,omitempty"`  // fields_enclosed_by, at most one byte
	Escaped    string `json:"escaped,omitempty"`   // fields_escaped_by, at most one byte
	Null       string `json:"null"`                // fields_defined_null_by
	LineEnd    string `json:"line_end,omitempty"`  // lines_terminated_by; "": LF, CR or CR LF
	SkipRows   int64  `json:"skip_rows,omitempty"` // of every file
}
