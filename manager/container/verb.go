package container

import (
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	return slices.Concat(s.lifeVerbs(), s.powerVerbs(), s.settingVerbs(), s.snapshotVerbs(),
		s.deviceVerbs(), s.moveVerbs())
}

// configureStep writes the LXC configuration.
func (s *Service) configureStep() gate.Step {
	return gate.Step{Name: "configure", Do: s.configure, Undo: s.reconfigure}
}

// lifeVerbs are how containers come about, what they are called, and how they go.
func (s *Service) lifeVerbs() []gate.Verb {
	create := []gate.Step{
		{Name: "volume", Do: s.makeVolume, Undo: s.deleteVolume},
		{Name: "first boot", Do: s.firstBoot},
		{Name: "configure", Do: s.configure, Undo: s.unconfigure},
		{Name: "publish", Do: s.publishNames, Undo: s.publishBack},
	}
	start := gate.Step{Name: "start", Do: s.startAfter, Undo: s.unstart}
	return []gate.Verb{
		{Name: "container.view", Right: inventory.RightView, Mode: gate.ModeRead, Command: "list"},
		{Name: "container.create", Right: inventory.RightCreate, Mode: gate.ModeOperation,
			Command: "create",
			Risk:    inventory.RiskLow, Prepare: s.prepareCreate(inventory.IntentStop), Steps: create},
		{Name: "container.launch", Right: inventory.RightCreate, Mode: gate.ModeOperation,
			Command: "launch",
			Risk:    inventory.RiskLow, Prepare: s.prepareCreate(inventory.IntentRun), Steps: append(create[:4:4], start)},
		{Name: "container.import", Right: inventory.RightCreate, Mode: gate.ModeOperation, Command: "import",
			Risk: inventory.RiskMedium, Prepare: s.prepareImport, Steps: []gate.Step{
				{Name: "unpack", Do: s.unpack, Undo: s.ununpack}, create[1], create[2], create[3],
				{Name: "tidy up", Do: s.dropUpload}}},
		{Name: "container.clone", Right: inventory.RightCreate, Mode: gate.ModeOperation, Command: "clone",
			Risk: inventory.RiskMedium, Prepare: s.prepareClone, Steps: []gate.Step{
				{Name: "volume", Do: s.cloneVolume, Undo: s.deleteVolume}, create[1], create[2], create[3]}},

		{Name: "container.rename", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "rename",
			From: []inventory.State{inventory.StateStopped,
				inventory.StateError}, Risk: inventory.RiskMedium,
			Prepare: s.prepareRename, Steps: []gate.Step{
				{Name: "move", Do: s.move, Undo: s.moveBack},
				{Name: "first boot", Do: s.nameInside, Undo: s.nameInsideBack},
				{Name: "configure", Do: s.configure}, create[3]}}, // undone by the move back
		{Name: "container.move-project", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "move",
			From: []inventory.State{inventory.StateStopped,
				inventory.StateError}, Risk: inventory.RiskMedium,
			Prepare: s.prepareMoveProject, Steps: []gate.Step{
				{Name: "move", Do: s.move, Undo: s.moveBack},
				{Name: "first boot", Do: s.nameInside, Undo: s.nameInsideBack},
				{Name: "disk", Do: s.resizeDisk, Undo: s.resizeDiskBack},
				{Name: "configure", Do: s.configure}, create[3]}},

		{Name: "container.delete", Right: inventory.RightDelete, Mode: gate.ModeOperation,
			Command: "delete",
			Risk:    inventory.RiskHigh, Recovery: gate.RecoverFinish, Prepare: s.prepareDelete,
			Steps: []gate.Step{{Name: "stop", Do: s.stopForGood, Undo: s.startBack},
				{Name: "withdraw", Do: s.publishNames, Undo: s.publishBack}}},
		{Name: "container.restore", Right: inventory.RightDelete, Mode: gate.ModeOperation,
			Command: "trash restore",
			Risk:    inventory.RiskLow, Prepare: s.prepareUntrash, Steps: []gate.Step{
				{Name: "move", Do: s.move, Undo: s.moveBack},
				{Name: "first boot", Do: s.nameInside, Undo: s.nameInsideBack},
				s.configureStep(), create[3], {Name: "start", Do: s.startUntrashed, Undo: s.unstart}}},
		{Name: "container.purge", Right: inventory.RightPurge, Mode: gate.ModeOperation,
			Command: "trash purge",
			Risk:    inventory.RiskHigh, Interrupts: "its data, snapshots and addresses are gone for good",
			Recovery: gate.RecoverFinish, Prepare: s.preparePurge, Steps: []gate.Step{
				{Name: "kill", Do: s.kill}, {Name: "snapshots", Do: s.deleteSnapshots},
				{Name: "volume", Do: s.deleteVolume}, {Name: "folder", Do: s.unconfigure},
				{Name: "withdraw", Do: s.withdrawNames}}},
	}
}

func (s *Service) powerVerbs() []gate.Verb {
	live := []inventory.State{inventory.StateRunning, inventory.StateFrozen}
	start := gate.Step{Name: "start", Do: s.startAfter, Undo: s.unstart}
	return []gate.Verb{
		{Name: "container.start", Right: inventory.RightOperate, Mode: gate.ModeOperation, Command: "start",
			From: []inventory.State{inventory.StateStopped, inventory.StateError}, Risk: inventory.RiskLow,
			Prepare: s.prepareIntent(inventory.IntentRun), Steps: []gate.Step{s.configureStep(), start}},
		{Name: "container.stop", Right: inventory.RightOperate, Mode: gate.ModeOperation, Command: "stop",
			Risk: inventory.RiskMedium, Interrupts: "the container stops",
			Recovery: gate.RecoverFinish, // going back would be a start nobody asked for
			Prepare:  s.prepareStop, Steps: []gate.Step{{Name: "stop", Do: s.stop}}},
		{Name: "container.restart", Right: inventory.RightOperate, Mode: gate.ModeOperation,
			Command: "restart",
			From:    live, Risk: inventory.RiskMedium, Interrupts: "the container stops and starts again",
			Recovery: gate.RecoverFinish, Prepare: s.prepareRestart,
			Steps: []gate.Step{{Name: "stop", Do: s.stop, Undo: s.startBack}, s.configureStep(),
				{Name: "start", Do: s.start}}},
		{Name: "container.kill", Right: inventory.RightOperate, Mode: gate.ModeOperation, Command: "kill",
			From: live, Risk: inventory.RiskHigh, Interrupts: "every process is killed; unwritten data is lost",
			Recovery: gate.RecoverFinish,
			Prepare:  s.prepareIntent(inventory.IntentStop), Steps: []gate.Step{{Name: "kill", Do: s.kill}}},
		{Name: "container.freeze", Right: inventory.RightOperate, Mode: gate.ModeOperation,
			Command: "freeze",
			From:    []inventory.State{inventory.StateRunning}, Risk: inventory.RiskMedium,
			Interrupts: "every process stands still until unfreeze",
			Steps:      []gate.Step{{Name: "freeze", Do: s.freeze, Undo: s.unfreeze}}},
		{Name: "container.unfreeze", Right: inventory.RightOperate, Mode: gate.ModeOperation,
			Command: "unfreeze",
			From:    []inventory.State{inventory.StateFrozen}, Risk: inventory.RiskLow, Recovery: gate.RecoverFinish,
			Steps: []gate.Step{{Name: "unfreeze", Do: s.unfreeze}}},
	}
}

// settingVerbs change containers, and the defaults of the host.
func (s *Service) settingVerbs() []gate.Verb {
	return []gate.Verb{
		{Name: "container.update", Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "set",
			Risk: inventory.RiskMedium, Prepare: s.prepareUpdate, Steps: s.updateSteps()},
		{Name: "container.revert", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "revert",
			Risk:    inventory.RiskMedium, Prepare: s.prepareRevert, Steps: s.updateSteps()},

		{Name: "config.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Command: "config list"},
		{Name: "config.set", Right: inventory.RightHost, Mode: gate.ModeOperation, Command: "config set",
			Risk: inventory.RiskHigh, Recovery: gate.RecoverFinish, Subject: configSubject, Prepare: s.prepareConfig,
			Steps: []gate.Step{{Name: "save", Do: s.saveConfig, Undo: s.saveConfigBack}, {Name: "apply", Do: s.applyConfig}}},
	}
}

func (s *Service) snapshotVerbs() []gate.Verb {
	return []gate.Verb{
		{Name: "snapshot.create", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "snapshot create",
			Risk:    inventory.RiskLow, Prepare: s.prepareSnapshot, Steps: []gate.Step{
				{Name: "row", Do: s.claimSnapshot, Undo: s.unclaimSnapshot},
				{Name: "snapshot", Do: s.takeSnapshot, Undo: s.untakeSnapshot}}},
		{Name: "snapshot.restore", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "snapshot restore",
			Risk:    inventory.RiskHigh, Prepare: s.prepareSnapshotRestore, Recovery: gate.RecoverFinish, Steps: []gate.Step{
				{Name: "stop", Do: s.stopForRestore, Undo: s.startBack},
				{Name: "keep", Do: s.keepBeforeRestore, Undo: s.dropKept},
				{Name: "swap", Do: s.swapSnapshot, Undo: s.swapBack},
				{Name: "start", Do: s.startAfterRestore, Undo: s.unstart}}},
		{Name: "snapshot.delete", Right: inventory.RightManage, Mode: gate.ModeOperation,
			Command: "snapshot delete",
			Risk:    inventory.RiskHigh, Interrupts: "the snapshot is gone for good", Recovery: gate.RecoverFinish,
			Prepare: s.prepareSnapshotDelete, Steps: []gate.Step{
				{Name: "snapshot", Do: s.dropSnapshot}, {Name: "row", Do: s.dropSnapshotRow}}},
	}
}

// moveVerbs take a container to another pool.
func (s *Service) moveVerbs() []gate.Verb {
	return []gate.Verb{
		{Name: "container.move", Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "move",
			Risk: inventory.RiskHigh, Prepare: s.prepareMove, Steps: []gate.Step{
				{Name: "note", Do: s.noteMove},
				{Name: "stop", Do: s.stopForMove, Undo: s.startBack},
				{Name: "copy", Do: s.copyToPool, Undo: s.dropCopy},
				{Name: "snapshots", Do: s.forgetSnapshots, Undo: s.rememberSnapshots},
				s.configureStep(),
				{Name: "start", Do: s.startMoved, Undo: s.stopMoved}}},
		{Name: tidyVerb, Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "move --tidy",
			Risk: inventory.RiskMedium, Recovery: gate.RecoverFinish, Prepare: s.prepareTidy,
			Steps: []gate.Step{{Name: "volume", Do: s.tidy}}},
	}
}
