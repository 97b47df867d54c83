package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/firnlog/firnlog/core/telemetry"
	"github.com/firnlog/firnlog/localstack/stack"
)

// stackCommands run all of it on this machine: MinIO, etcd, brokers, functions, a queue.
type stackCommands struct {
	Up     stackUpCommand     `cmd:"" help:"Start everything, print the addresses, and run until Ctrl-C. Where it runs already: print the addresses."`
	Status stackStatusCommand `cmd:"" help:"Show what runs, and the addresses."`
	Down   stackDownCommand   `cmd:"" help:"Stop everything; data is kept."`
	Invoke stackInvokeCommand `cmd:"" help:"Invoke a function and print its answer."`
	Send   stackSendCommand   `cmd:"" help:"Send a message to a queue."`
	Env    stackEnvCommand    `cmd:"" help:"Print variables that let AWS's tools and SDKs, and firnlog's tools, find it: eval \"$(firnlog stack env)\"."`
}

// stackPlace says which stack.
type stackPlace struct {
	Dir string `name:"dir" env:"FIRNLOG_STACK" default:"./.firnlog-stack" placeholder:"DIR" help:"Folder of the stack: data, logs, what runs."`
}

// arguments name the folder where it is not the usual one.
func (p *stackPlace) arguments() string {
	if p.Dir == "./.firnlog-stack" {
		return ""
	}
	return "--dir " + p.Dir
}

type stackUpCommand struct {
	stackPlace
	Detach      bool              `name:"detach" help:"Return when everything serves; firnlog stack down stops it."`
	Brokers     int               `name:"brokers" default:"2" help:"Number of brokers; 0: functions alone."`
	Linger      time.Duration     `name:"linger" default:"10ms" help:"As for firnlog broker."`
	PortFirst   int               `name:"port-first" placeholder:"PORT" help:"Take this port and those that follow. Default: those of the last run, or free ones."`
	Functions   string            `name:"functions" placeholder:"DIR" help:"Folder with the functions' programs. Default: functions beside this program, where make stack builds them."`
	Function    map[string]string `name:"function" placeholder:"NAME=PROGRAM" help:"A Lambda function of your own (a bootstrap for this machine), invoked by its name; may be repeated."`
	Env         []string          `name:"env" sep:"none" placeholder:"NAME=VALUE" help:"An environment variable of all functions; may be repeated."`
	Concurrency int               `name:"concurrency" default:"20" help:"Environments of a function at a time; more invocations get 429."`
	Every       time.Duration     `name:"every" default:"1m" help:"How often scheduled functions are invoked."`
	MinIO       string            `name:"minio" default:"minio" placeholder:"PROGRAM" help:"MinIO: a path, or a name that is looked for in PATH and ~/.cache/firnlog/bin."`
	Etcd        string            `name:"etcd" default:"etcd" placeholder:"PROGRAM" help:"etcd, in the same way."`

	Batch       int           `name:"queue-batch" default:"100" help:"Messages of the queue that the producer gets in an invocation."`
	Window      time.Duration `name:"queue-window" default:"1s" help:"How long such a batch is gathered."`
	Visibility  time.Duration `name:"queue-visibility" default:"35s" help:"When a message that failed comes again."`
	ReceivesMax int           `name:"queue-receives" default:"5" help:"How often it comes, before it goes to the dead letters."`
}

// Run runs the stack, or lets another process do so.
func (c *stackUpCommand) Run(ctx context.Context) error {
	if st, err := stack.Look(c.Dir); err == nil {
		return c.report(ctx, st)
	} else if !errors.Is(err, stack.ErrDown) {
		return err
	}
	if c.Detach {
		return c.detach(ctx)
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	err = stack.New(s).Run(ctx)
	if errors.Is(err, stack.ErrRunning) { // begun a moment ago
		return c.report(ctx, nil)
	}
	return err
}

func (c *stackUpCommand) settings() (stack.Settings, error) {
	self, err := os.Executable()
	if err != nil {
		return stack.Settings{}, fmt.Errorf("path of this program: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return stack.Settings{}, fmt.Errorf("home folder: %w", err)
	}
	if c.Functions == "" {
		c.Functions = filepath.Join(filepath.Dir(self), "functions")
	}
	return stack.Settings{
		Dir: c.Dir, Firnlog: self, MinIO: c.MinIO, Etcd: c.Etcd, Tools: filepath.Join(home, ".cache", "firnlog", "bin"), Functions: c.Functions, More: c.Function, Env: c.Env,
		Concurrency: c.Concurrency, Brokers: c.Brokers, Linger: c.Linger, PortFirst: c.PortFirst, Every: c.Every,
		Queue:   stack.QueueSettings{BatchMax: c.Batch, Window: c.Window, Visibility: c.Visibility, ReceivesMax: c.ReceivesMax},
		Command: os.Args[0], Arguments: c.arguments(), Out: os.Stdout, Log: telemetry.NewLogger(os.Stderr, "info"),
	}, nil
}

// report prints the addresses of a stack that another process runs.
func (c *stackUpCommand) report(ctx context.Context, st *stack.State) error {
	if st == nil || !st.Ready {
		fmt.Println("another process is starting it")
		var err error
		if st, err = stack.AwaitReady(ctx, c.Dir, nil); err != nil {
			return err
		}
	}
	fmt.Printf("it is up already (process %d)\n\n%s", st.Supervisor.PID, st.Summary.Text())
	return nil
}

// detach starts this command again as a process of its own, shows what it says, and returns when everything serves.
func (c *stackUpCommand) detach(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(c.Dir, "logs"), 0o700); err != nil {
		return fmt.Errorf("folder of the stack: %w", err)
	}
	path := filepath.Join(c.Dir, "logs", "stack.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("log of the stack: %w", err)
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("path of this program: %w", err)
	}
	var args []string
	for _, a := range os.Args[1:] {
		if a != "--detach" && a != "--detach=true" {
			args = append(args, a)
		}
	}
	cmd := exec.Command(self, append(args, "--detach=false")...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, stack.Detached()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the stack: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what went wrong is in its log
		close(ended)
	}()
	shown := make(chan struct{})
	serves := make(chan struct{})
	go func() { follow(path, serves); close(shown) }()
	_, err = stack.AwaitReady(ctx, c.Dir, ended)
	if ctx.Err() != nil {
		_ = cmd.Process.Signal(os.Interrupt) // it is this process's still
		<-ended
	}
	close(serves)
	<-shown
	if err != nil {
		return fmt.Errorf("the stack has ended; its log is %s", path)
	}
	fmt.Printf("it runs in the background (process %d); stop it: %s stack down %s\n", cmd.Process.Pid, os.Args[0], c.arguments())
	return nil
}

// follow shows what is written to a file, until over is closed, and then what is left.
func follow(path string, over <-chan struct{}) {
	file, err := os.Open(path)
	if err != nil {
		return // its name is in the error of a start
	}
	defer file.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _ = io.Copy(os.Stdout, file) // goes on from where it was
		select {
		case <-over:
			_, _ = io.Copy(os.Stdout, file)
			return
		case <-tick.C:
		}
	}
}

type stackDownCommand struct {
	stackPlace
	Wipe bool `name:"wipe" help:"DELETE the data and logs too."`
}

// Run stops it.
func (c *stackDownCommand) Run() error {
	err := stack.Down(c.Dir, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if err == nil && c.Wipe {
		err = stack.Wipe(c.Dir)
	}
	return err
}
