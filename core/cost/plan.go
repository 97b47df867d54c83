package cost

// Running are the prices of what firnlog runs on: functions and a queue (arm64), container tasks behind a load balancer, and etcd's machines.
type Running struct {
	LambdaRequest   float64 `json:"lambdaRequest"`
	LambdaGiBSecond float64 `json:"lambdaGiBSecond"`
	QueueRequest    float64 `json:"queueRequest"`
	TaskCPUHour     float64 `json:"taskCPUHour"`
	TaskGiBHour     float64 `json:"taskGiBHour"`
	BalancerHour    float64 `json:"balancerHour"`
	BalancerGiB     float64 `json:"balancerGiB"` // that goes through in an hour; a tenth of one at least
	AddressHour     float64 `json:"addressHour"` // a public one
	EndpointHour    float64 `json:"endpointHour"`
	InstanceHour    float64 `json:"instanceHour"` // of etcd's kind
}

// A month has this many hours; Month is in seconds.
const monthHours = Month / 3600

// Load is what is written: messages a second, of so many bytes.
type Load struct {
	PerSecond float64
	Bytes     float64
}

// Month is how many messages that is.
func (l Load) Month() float64 { return l.PerSecond * Month }

// Way is a way to write: it gives the dollars of a month, without what all ways share (Fixed, what is stored, what is read).
type Way func(p Prices, l Load) float64

// Invocation is what one costs in time: Base seconds, and PerMessage for each, with GiB of memory.
type Invocation struct{ Base, PerMessage, GiB float64 }

func (i Invocation) dollars(p Prices, messages float64) float64 {
	return p.Running.LambdaRequest + (i.Base+i.PerMessage*messages)*i.GiB*p.Running.LambdaGiBSecond
}

// put is what a PUT costs.
func (p Prices) put() float64 { return p.Classes[BucketClass].Put1000 / 1000 }

// Function is a function that clients invoke with up to batch messages, and for which they wait up to wait seconds. Each
// invocation is one PUT.
func Function(i Invocation, batch, wait float64) Way {
	return func(p Prices, l Load) float64 {
		b := max(1, min(batch, l.PerSecond*wait))
		return l.Month() / b * (i.dollars(p, b) + p.put())
	}
}

// Queue is a queue that feeds the function: messages are sent, received and deleted ten at a time, and gathered for window seconds
// or until bytesMax of events, in which each takes overhead more than its own bytes.
func Queue(i Invocation, window, bytesMax, overhead float64) Way {
	return func(p Prices, l Load) float64 {
		b := max(1, min(l.PerSecond*window, bytesMax/(l.Bytes+overhead)))
		return l.Month()/b*(i.dollars(p, b)+p.put()) + 3*l.Month()/10*p.Running.QueueRequest
	}
}

// Task is a machine of a broker.
type Task struct{ CPU, GiB float64 }

// Brokers are n of them behind a load balancer, each with a public address, which gather for linger seconds: a PUT for each broker and
// linger at most, a PUT for each message at most.
func Brokers(n int, t Task, linger float64) Way {
	return func(p Prices, l Load) float64 {
		return BrokersIdle(p, n, t) + throughBalancer(p, l) + min(l.Month(), float64(n)*Month/linger)*p.put()
	}
}

// BrokersIdle is what n brokers cost without any traffic.
func BrokersIdle(p Prices, n int, t Task) float64 {
	r := p.Running
	return monthHours * (float64(n)*(t.CPU*r.TaskCPUHour+t.GiB*r.TaskGiBHour+r.AddressHour) + r.BalancerHour)
}

func throughBalancer(p Prices, l Load) float64 {
	const least = 0.1
	return monthHours * p.Running.BalancerGiB * max(least, l.PerSecond*l.Bytes*3600/gib)
}

// Etcd is what three machines with disks and so many interface endpoints cost.
func Etcd(p Prices, diskGiB float64, endpoints int) float64 {
	return 3*(monthHours*p.Running.InstanceHour+diskGiB*p.Disk.GiBMonth) + float64(endpoints)*monthHours*p.Running.EndpointHour
}

// Crossover is the number of requests a second at which a function costs as much as brokers do, whatever the requests bring: above
// it brokers are cheaper. Below the PUTs that brokers make at most, both make one for each request.
func Crossover(p Prices, i Invocation, messages float64, n int, t Task, linger float64) float64 {
	idle := BrokersIdle(p, n, t) + throughBalancer(p, Load{})
	one, putsMax := Month*i.dollars(p, messages), float64(n)/linger
	if r := idle / one; r <= putsMax {
		return r
	}
	return (idle + putsMax*Month*p.put()) / (one + Month*p.put())
}
