// Tells what alerts, dashboard and documents ask of the operator's /metrics and would not get, and what no document names.
//
//	exposed ALERTS DASHBOARD DOCUMENT... <METRICS    a line for each thing that is missing
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
)

// Labels that come with the scrape. The series of connections have a namespace of their own, which goes before.
var scraped = []string{"cluster", "job", "namespace", "pod"}

var (
	metricName   = regexp.MustCompile(`\bdirectconnect_(?:operator|connection)_[a-z_]+\b`)
	labelValues  = regexp.MustCompile(`label_values\((\w+), (\w+)\)`)
	inAnnotation = regexp.MustCompile(`\$labels\.(\w+)`)
	inLegend     = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)
	promql       = parser.NewParser(parser.Options{})
)

// A question of an alert or a panel, and the labels that it shows of the answer.
type question struct {
	from, expr string
	shown      []string
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: exposed ALERTS DASHBOARD DOCUMENT... <METRICS")
		os.Exit(2)
	}
	missing, err := run(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, line := range missing {
		fmt.Fprintln(os.Stderr, line)
	}
	if len(missing) > 0 {
		os.Exit(1)
	}
}

func run(alerts, dashboard string, documents []string) ([]string, error) {
	exposed, err := parse(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("the metrics cannot be parsed: %w", err)
	}
	ofAlerts, err := askedByAlerts(alerts)
	if err != nil {
		return nil, err
	}
	ofPanels, err := askedByDashboard(dashboard)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, asked := range append(ofAlerts, ofPanels...) {
		found, err := exposed.lacks(asked)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", asked.from, err)
		}
		missing = append(missing, found...)
	}
	named := map[string]bool{}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			return nil, err
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			named[name] = true
			if len(exposed.series[name]) == 0 && !exposed.families[name] {
				missing = append(missing, fmt.Sprintf("%s: the operator exposes no %s", document, name))
			}
		}
	}
	for _, family := range slices.Sorted(maps.Keys(exposed.families)) {
		// The series of a counter and of an info have the name of the family and a suffix.
		if !named[family] && !named[family+"_total"] && !named[family+"_info"] {
			missing = append(missing, fmt.Sprintf("no document names %s, which the operator exposes", family))
		}
	}
	return missing, nil
}

// What the operator exposes: every series by its name, and the names of families, as histograms are called by theirs too.
type exposition struct {
	series   map[string][]labels.Labels
	families map[string]bool
}

func parse(from io.Reader) (exposition, error) {
	exposed := exposition{map[string][]labels.Labels{}, map[string]bool{}}
	text, err := io.ReadAll(from)
	if err != nil {
		return exposed, err
	}
	reader := textparse.NewOpenMetricsParser(text, labels.NewSymbolTable())
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return exposed, nil
		}
		if err != nil {
			return exposed, err
		}
		switch entry {
		case textparse.EntryType:
			name, _ := reader.Type()
			exposed.families[string(name)] = true
		case textparse.EntrySeries:
			var series labels.Labels
			reader.Labels(&series)
			name := series.Get(labels.MetricName)
			exposed.series[name] = append(exposed.series[name], series)
		}
	}
}

func askedByAlerts(file string) ([]question, error) {
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, promql, slog.Default())
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var asked []question
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			one := question{"alert " + rule.Alert, rule.Expr, nil}
			for _, annotation := range rule.Annotations {
				one.shown = append(one.shown, all(inAnnotation, annotation)...)
			}
			asked = append(asked, one)
		}
	}
	return asked, nil
}

func askedByDashboard(file string) ([]question, error) {
	type panel struct {
		Title   string
		Targets []struct{ Expr, LegendFormat string }
		Panels  []panel
	}
	var dashboard struct {
		Panels []panel
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// What Grafana puts in their place.
	variables := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*")
	var asked []question
	for panels := dashboard.Panels; len(panels) > 0; panels = panels[1:] {
		panels = append(panels, panels[0].Panels...)
		for _, target := range panels[0].Targets {
			from := fmt.Sprintf("panel %q", panels[0].Title)
			asked = append(asked, question{from, variables.Replace(target.Expr), all(inLegend, target.LegendFormat)})
		}
	}
	for _, variable := range labelValues.FindAllStringSubmatch(string(text), -1) {
		asked = append(asked, question{"variable " + variable[2], fmt.Sprintf("max by (%s) (%s)", variable[2], variable[1]), nil})
	}
	return asked, nil
}

func all(pattern *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// lacks tells what a question asks for and would not get: metrics, labels to choose or to group by, values to match.
func (exposed exposition) lacks(asked question) ([]string, error) {
	expr, err := promql.ParseExpr(asked.expr)
	if err != nil {
		return nil, err
	}
	var missing []string
	miss := func(format string, values ...any) {
		missing = append(missing, asked.from+": "+fmt.Sprintf(format, values...))
	}
	var grouped []string
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var wanted []string
		for _, above := range path {
			if aggregate, ok := above.(*parser.AggregateExpr); ok && !aggregate.Without {
				wanted = append(wanted, aggregate.Grouping...)
			}
		}
		grouped = append(grouped, wanted...)
		if len(exposed.series[selector.Name]) == 0 {
			miss("the operator exposes no %s", selector.Name)
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			wanted = append(wanted, matcher.Name)
			// Not to be what is never there would hold for everything.
			if opposite, err := matcher.Inverse(); err == nil && matcher.Type == labels.MatchNotEqual && !exposed.has(selector.Name, opposite) {
				miss("no %s has %s", selector.Name, opposite)
			}
		}
		if !exposed.has(selector.Name, selector.LabelMatchers...) {
			miss("nothing that the operator exposes is %s", selector)
		}
		for _, label := range wanted {
			has := func(series labels.Labels) bool { return series.Has(label) }
			if !slices.Contains(scraped, label) && !slices.ContainsFunc(exposed.series[selector.Name], has) {
				miss("%s has no label %s", selector.Name, label)
			}
		}
		return nil
	})
	for _, label := range asked.shown {
		if !slices.Contains(grouped, label) {
			miss("label %s is shown, which no answer has", label)
		}
	}
	return missing, nil
}

// has tells whether some series of this name matches.
func (exposed exposition) has(name string, matchers ...*labels.Matcher) bool {
	return slices.ContainsFunc(exposed.series[name], func(series labels.Labels) bool {
		return !slices.ContainsFunc(matchers, func(matcher *labels.Matcher) bool {
			return !matcher.Matches(series.Get(matcher.Name))
		})
	})
}
