package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// plainEvery is how often a step prints a line where the output is no terminal.
const plainEvery = 2 * time.Second

// A display shows one step: on a terminal a bar with a line for every node
// below it, repainted in place; elsewhere a plain line every two seconds.
type display struct {
	out   io.Writer
	name  string
	began time.Time
	last  time.Time // of the plain line before

	done, total int64
	lines       atomic.Pointer[[]string]

	bars *mpb.Progress // nil: plain lines
	bar  *mpb.Bar
}

func newDisplay(out io.Writer, total int64, name string) *display {
	d := &display{out: out, name: name, began: time.Now(), last: time.Now(), total: total}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return d
	}
	d.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithRefreshRate(200*time.Millisecond))
	// A bar made with a total completes by itself, and no other way: estimates
	// need one that is told when it is complete.
	d.bar = d.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-8s ", name))),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string { return d.figures(s.Current, s.Total) })),
		mpb.BarExtender(mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
			lines := d.lines.Load()
			if lines == nil {
				return nil
			}
			for _, l := range *lines {
				if _, err := fmt.Fprintf(w, "         %s\n", l); err != nil {
					return err
				}
			}
			return nil
		}), false))
	return d
}

// show brings the display up to date.
func (d *display) show(done, total int64, lines []string) {
	d.done, d.total = done, total
	if d.bars != nil {
		d.lines.Store(&lines)
		d.bar.SetTotal(max(total, 1), false)
		d.bar.SetCurrent(done)
		return
	}
	if time.Since(d.last) >= plainEvery {
		d.last = time.Now()
		d.plain(lines)
	}
}

func (d *display) plain(lines []string) {
	fmt.Fprintf(d.out, "%-8s %s%s\n", d.name, d.figures(d.done, d.total), strings.Join(append([]string{""}, lines...), " | "))
}

// figures is share, rows, speed and time left.
func (d *display) figures(done, total int64) string {
	if total <= 0 {
		return fmt.Sprintf("%.1fs", time.Since(d.began).Seconds())
	}
	took := time.Since(d.began).Seconds()
	s := fmt.Sprintf("%3d %% %s rows", 100*done/total, group(done))
	if took < 0.5 || done == 0 { // too early to tell a speed
		return s
	}
	speed := float64(done) / took
	s += fmt.Sprintf(", %s/s", group(int64(speed)))
	if done < total {
		s += fmt.Sprintf(", %.0fs left", float64(total-done)/speed)
	}
	return s
}

// event prints a line above the display.
func (d *display) event(line string) {
	if d.bars != nil {
		fmt.Fprintln(d.bars, line)
		return
	}
	fmt.Fprintln(d.out, line)
}

// close leaves the display as it stands.
func (d *display) close() {
	if d.bars == nil {
		fmt.Fprintf(d.out, "%-8s took %.1fs\n", d.name, time.Since(d.began).Seconds())
		return
	}
	d.lines.Store(&[]string{})
	d.bar.SetTotal(-1, true) // what there is, is all
	d.bars.Wait()
}
