package mariadbd

import (
	"io"
	"os"
	"strings"
)

// logLimit is the size at which a start puts the log aside and begins anew.
const logLimit = 16 * mib

// openLog opens the server's log for appending and says where it ends now.
func openLog(path string) (*os.File, int64, error) {
	if st, err := os.Stat(path); err == nil && st.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// logSince reads the log from an offset, at most its last 64 KiB.
func logSince(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil {
		offset = max(offset, st.Size()-64<<10)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, offset, 64<<10))
	return string(text)
}

// lastLines picks what explains an end: the errors if any were logged, else the
// last lines; five at most, indented.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var errs []string
	for _, line := range lines {
		if strings.Contains(line, "[ERROR]") {
			errs = append(errs, line)
		}
	}
	if len(errs) > 0 {
		lines = errs
	}
	lines = lines[max(0, len(lines)-5):]
	return "\t" + strings.Join(lines, "\n\t")
}
