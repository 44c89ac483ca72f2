package scheduler

// MaxGuests is how many accounts may each have one slot beyond those of a node, at the
// same time, while others hold all of these: two accounts, which are soon made, can hold
// them all with jobs that wait for locks which they do not give up.
const MaxGuests = 8

// slots is a node's capacity: one per CPU, one for each running subtask, and one more
// for each account that has none while others have all: what holds them may be slow, and
// nobody takes it away. It is touched by the manager's loop only.
type slots struct {
	total  int
	used   int
	byTask map[int64]int
	byUser map[string]int
	guests map[string]bool // the accounts that have a slot more
}

func newSlots(total int) *slots {
	return &slots{total: max(total, 1), byTask: make(map[int64]int), byUser: make(map[string]int), guests: make(map[string]bool)}
}

func (s *slots) free() int { return s.total - s.used }

// reserve takes a slot for a task of an account that may hold limit of them here
// (at least one), and says whether there was one. Capacity first, then work: a subtask
// is leased only into a reserved slot.
func (s *slots) reserve(taskID int64, user string, limit int) bool {
	if s.byTask[taskID] >= max(limit, 1) {
		return false
	}
	if s.free() <= 0 {
		if user == "" || len(s.guests) >= MaxGuests || s.byUser[user] > 0 {
			return false
		}
		s.guests[user] = true
	}
	s.used++
	s.byTask[taskID]++
	s.byUser[user]++
	return true
}

// release gives a slot of a task of an account back.
func (s *slots) release(taskID int64, user string) {
	s.used--
	if s.byTask[taskID]--; s.byTask[taskID] == 0 {
		delete(s.byTask, taskID)
	}
	if s.byUser[user]--; s.byUser[user] == 0 {
		delete(s.byUser, user)
		delete(s.guests, user)
	}
}
