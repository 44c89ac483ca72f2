package docs_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A house is the packages of the program in rows.
type house struct {
	rows  int
	rooms map[string]room
}

type room struct {
	row, x int // x of its middle
	width  int
	words  string
}

const (
	pageWidth  = 940
	widest     = 126 // of a room; the more there are in a row, the narrower they are
	roomHeight = 44
	rowHeight  = 118
	margin     = 24
)

// readHouse reads house.txt.
func readHouse(text string) house {
	h := house{rooms: map[string]room{}}
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := slices.DeleteFunc(strings.Split(paragraph, "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
		if len(lines) == 0 {
			continue
		}
		place := pageWidth / len(lines)
		for i, line := range lines {
			if name, words, _ := strings.Cut(line, " "); name != "-" {
				h.rooms[name] = room{row: h.rows, x: place*i + place/2, width: min(widest, place-8), words: strings.TrimSpace(words)}
			}
		}
		h.rows++
	}
	return h
}

func (r room) top() int { return margin + r.row*rowHeight }

// draw makes the picture. Arrows lie beneath the rooms; each goes from the lower edge of
// one to the upper edge of another.
func (h house) draw(arrows map[string][]string) string {
	var b strings.Builder
	height := 2*margin + (h.rows-1)*rowHeight + roomHeight
	fmt.Fprintf(&b, houseHead, pageWidth, height, pageWidth, height, pageWidth-1, height-1)
	for _, from := range slices.Sorted(maps.Keys(arrows)) {
		for _, to := range arrows[from] {
			a, z := h.rooms[from], h.rooms[to]
			x1, y1, x2, y2 := a.x+a.spread(z.x-a.x), a.top()+roomHeight, z.x+z.spread(a.x-z.x), z.top()-4
			bend := min((y2-y1)/2, rowHeight/2)
			fmt.Fprintf(&b, "  <path class=\"arrow row%d\" d=\"M%d %dC%d %d %d %d %d %d\" marker-end=\"url(#end)\"><title>%s imports %s</title></path>\n",
				a.row%3, x1, y1, x1, y1+bend, x2, y2-bend, x2, y2, from, to)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.rooms)) {
		r := h.rooms[name]
		fmt.Fprintf(&b, "  <rect class=\"room\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>", r.x-r.width/2, r.top(), r.width, roomHeight)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" font-weight=\"600\">%s</text>", r.x, r.top()+18, name)
		fmt.Fprintf(&b, "<text class=\"words\" x=\"%d\" y=\"%d\">%s</text>\n", r.x, r.top()+34, r.words)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// spread is how far from a room's middle an arrow begins or ends, towards the other room.
func (r room) spread(distance int) int {
	return max(-r.width/2+14, min(r.width/2-14, distance/10))
}

const houseHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" ` +
	`font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12">
  <title>Who imports whom</title>
  <style>
    .page { fill: #ffffff; stroke: #d1d9e0 }
    .room { fill: #ddf4ff; stroke: #0969da }
    text { fill: #1f2328; text-anchor: middle }
    .words { font-size: 11px; fill: #59636e }
    .arrow { fill: none; stroke-width: 1.4 }
    .row0 { stroke: #59636e } .row1 { stroke: #8250df } .row2 { stroke: #bc4c00 }
    #end path { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d }
      .room { fill: #0c2d6b; stroke: #4493f8 }
      text { fill: #f0f6fc }
      .words { fill: #b1bac4 }
      .row0 { stroke: #9198a1 } .row1 { stroke: #ab7df8 } .row2 { stroke: #db6d28 }
      #end path { fill: #9198a1 }
    }
  </style>
  <defs><marker id="end" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>
  <rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>
`
