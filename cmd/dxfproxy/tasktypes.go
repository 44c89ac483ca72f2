package main

import (
	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/seal"
	"dxfproxy/source"
)

// A taskType is a kind of task, and how a node makes its planner and worker.
type taskType struct {
	dxf.Type
	open func(n *node, m means) (dxf.Planner, dxf.Worker)
}

// taskTypes are the kinds of tasks that nodes work on: one line for each.
var taskTypes = []taskType{
	{backfill.Type, openBackfill},
	{importinto.Type, openImports},
}

// means is what task types need beside the node.
type means struct {
	cfg     config
	key     *seal.Key
	sources *source.Policy
}

// knownTypes are the types for the store, which neither plans nor works.
func knownTypes() dxf.Types {
	var all []dxf.Type
	for _, y := range taskTypes {
		all = append(all, y.Type)
	}
	return dxf.TypesOf(all...)
}

// openTypes makes the planners and workers of this node.
func (n *node) openTypes(m means) dxf.Types {
	types := knownTypes()
	for _, y := range taskTypes {
		y.Planner, y.Worker = y.open(n, m)
		types[y.Name] = y.Type
	}
	return types
}

func openBackfill(n *node, _ means) (dxf.Planner, dxf.Worker) {
	plan, work := backfill.NewPlanner(n.store.SQL(), n.store, n.log), backfill.NewWorker(n.store.SQL(), n.store, n.log)
	plan.Secret, work.Secret = n.store.Secret(), n.store.Secret()
	work.Hold, work.Wake, work.LockWait = n.hold, n.wake, n.cutOverLockWait
	return plan, work
}

func openImports(n *node, m means) (dxf.Planner, dxf.Worker) {
	plan := importinto.NewPlanner(n.store.SQL(), n.store, n.log)
	work := importinto.NewWorker(n.store.SQL(), n.store, m.cfg.Node, m.cfg.importLimits, n.log)
	plan.Secret, work.Secret = n.store.Secret(), n.store.Secret()
	plan.Key, work.Key = m.key, m.key
	plan.Sources, work.Sources = m.sources, m.sources
	work.Hold, work.LockWait = n.hold, n.cutOverLockWait
	return plan, work
}
