package sysvars

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseSize reads a byte count such as 1048576, 2KB, 3MiB, 1.5g or "4 gb". All
// units are powers of 1024 and case does not matter; a unit is one of
// k, m, g, t, p with an optional b or ib, or b alone. Error texts are TiDB's,
// for the variable and for MAX_WRITE_SPEED of ADMIN ALTER DDL JOBS alike.
func ParseSize(text string) (int64, error) {
	end := strings.LastIndexAny(text, "0123456789. ")
	if end < 0 {
		return 0, fmt.Errorf("invalid size: '%s'", text)
	}
	// One blank may stand between number and unit.
	number, unit := strings.TrimSuffix(text[:end+1], " "), text[end+1:]

	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || math.IsNaN(n) {
		return 0, fmt.Errorf("invalid size: '%s'", text)
	}
	factor, ok := unitFactor(strings.ToLower(unit))
	if !ok {
		if len(unit) <= 3 {
			unit = strings.ToLower(unit)
		}
		return 0, fmt.Errorf("invalid suffix: '%s'", unit)
	}
	if n *= factor; n >= math.MaxInt64 {
		return math.MaxInt64, nil // beyond every limit, and still a number to show
	}
	return int64(n), nil
}

func unitFactor(unit string) (float64, bool) {
	if unit == "" || unit == "b" {
		return 1, true
	}
	power := strings.IndexByte("kmgtp", unit[0]) + 1
	if rest := unit[1:]; power == 0 || rest != "" && rest != "b" && rest != "ib" {
		return 0, false
	}
	return math.Pow(1024, float64(power)), true
}
