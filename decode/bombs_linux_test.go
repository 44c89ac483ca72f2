package decode_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
	"dxfproxy/decode/decodetest"
)

const (
	bombFile = "DXFPROXY_BOMB" // names the file for the process that reads it
	bombRow  = 16 << 20
	bombHold = 128 << 20 // what a reader may hold in all
	bombMost = 320 << 20 // what the process may take, garbage and all
)

// TestS22Bombs: a process of its own reads each of the bombs, is told what is wrong,
// and has not taken more memory than a reader may have. It does not take long either.
func TestS22Bombs(t *testing.T) {
	if file := os.Getenv(bombFile); file != "" {
		readBomb(t, file)
		return
	}
	dir := t.TempDir()
	taken := regexp.MustCompile(`taken (\d+) KiB, error: (.*)`)
	for _, b := range decodetest.Bombs(t) {
		t.Run(b.Name, func(t *testing.T) {
			if b.Name == "digits.sql.gz" {
				return // what is wrong with it, only the column knows
			}
			file := filepath.Join(dir, b.Name)
			require.NoError(t, os.WriteFile(file, b.Content, 0o600))
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestS22Bombs$", "-test.v")
			cmd.Env = append(os.Environ(), bombFile+"="+file)
			start := time.Now()
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%.2000s", out)
			m := taken.FindSubmatch(out)
			require.NotNil(t, m, "%.2000s", out)
			kib, err := strconv.Atoi(string(m[1]))
			require.NoError(t, err)
			t.Logf("%d KiB in the file, %d MiB taken, %s: %.150s", len(b.Content)>>10, kib>>10, time.Since(start).Round(time.Millisecond), m[2])
			require.Contains(t, string(m[2]), b.Error)
			require.Less(t, kib<<10, bombMost) // not under the race detector, which takes several times the memory
		})
	}
}

func readBomb(t *testing.T, path string) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	limits := decode.Limits{Row: bombRow, Hold: func(n int64) error {
		if n > bombHold {
			return fmt.Errorf("%d MiB: see --import-memory", n>>20)
		}
		return nil
	}}
	var r decode.Reader
	var text io.Reader
	if strings.HasSuffix(path, ".gz") {
		text, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	switch {
	case strings.Contains(path, ".csv"):
		r = decode.NewCSV(text, comma, decode.Start{}, limits)
	case strings.Contains(path, ".sql"):
		r = decode.NewSQL(text, decode.Start{}, decode.Server{}, limits)
	default:
		info, statErr := f.Stat()
		require.NoError(t, statErr)
		r, err = decode.NewParquet(f, info.Size(), decode.Start{}, limits)
	}
	for err == nil {
		_, err = r.Next()
	}
	status, readErr := os.ReadFile("/proc/self/status")
	require.NoError(t, readErr)
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	fmt.Printf("taken %s KiB, error: %v\n", bytes.Fields(after)[0], err)
}
