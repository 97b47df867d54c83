package config

// Upgrade are the settings of firnlog upgrade.
type Upgrade struct {
	Users
	DryRun bool `name:"dry-run" help:"Say what would be done, and who would stop; change nothing."`
	Leave  bool `name:"leave-behind" help:"Raise it although instances run that do not know the new format: they stop serving."`
}
