package scheduler

// slots is a node's capacity: one per CPU, one for each running subtask. It is
// touched by the manager's loop only.
type slots struct {
	total  int
	used   int
	byTask map[int64]int
}

func newSlots(total int) *slots {
	return &slots{total: max(total, 1), byTask: make(map[int64]int)}
}

func (s *slots) free() int { return s.total - s.used }

// reserve takes a slot for a task that may hold limit of them here (at least
// one), and says whether there was one. Capacity first, then work: a subtask
// is leased only into a reserved slot.
func (s *slots) reserve(taskID int64, limit int) bool {
	if s.free() <= 0 || s.byTask[taskID] >= max(limit, 1) {
		return false
	}
	s.used++
	s.byTask[taskID]++
	return true
}

// release gives a task's slot back.
func (s *slots) release(taskID int64) {
	s.used--
	if s.byTask[taskID]--; s.byTask[taskID] == 0 {
		delete(s.byTask, taskID)
	}
}
