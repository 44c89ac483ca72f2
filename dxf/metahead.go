package dxf

import (
	"encoding/json"
	"time"
)

// MetaHead begins the meta of every task, whatever its type: a meta is a struct that
// embeds it. Store, dispatcher and SHOW read it, and nothing else of a meta.
type MetaHead struct {
	JobID  int64  `json:"job_id"`
	Schema string `json:"schema"` // of the table that the task changes,
	Table  string `json:"table"`  // "" for none
	Rows   int64  `json:"rows,omitempty"`
	Size   int64  `json:"size,omitempty"` // bytes of what is read
	Note   Note   `json:"note,omitempty"`
	Pauses
}

// Pauses tell how long a task's counting steps have stood still because the user wanted
// it to, and since when they do; zero while they do not. The dispatcher keeps them.
type Pauses struct {
	Paused   time.Duration `json:"paused,omitempty"`
	PausedAt time.Time     `json:"paused_at,omitzero"`
}

// Head returns the head, of the meta it is embedded in.
func (h *MetaHead) Head() *MetaHead { return h }

// A Meta is a pointer to a task's meta.
type Meta interface{ Head() *MetaHead }

// Note is a sentence about the job, for people: why it runs another way than was asked for.
type Note string

// UnmarshalJSON reads a text, or the error as which earlier builds wrote a backfill's note.
func (n *Note) UnmarshalJSON(text []byte) error {
	var e Error
	if len(text) > 0 && text[0] == '{' {
		err := json.Unmarshal(text, &e)
		*n = Note(e.Message)
		return err
	}
	return json.Unmarshal(text, (*string)(n))
}

// HeadOf reads the head of a meta; of one that cannot be read it is zero.
func HeadOf(meta []byte) (MetaHead, error) {
	var h MetaHead
	if err := json.Unmarshal(meta, &h); err != nil {
		return MetaHead{}, err
	}
	return h, nil
}

// WithPauses returns the meta with other pauses; what else it holds stays as it is.
func WithPauses(meta []byte, p Pauses) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(meta, &all); err != nil {
		return nil, err
	}
	delete(all, "paused")
	delete(all, "paused_at")
	own, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(own, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
