// The page that is photographed: the panels of the dashboard in their places, in Grafana's dark theme.
import 'uplot/dist/uPlot.min.css';
import { createTheme, type DataFrame, dateTime, getFieldDisplayValues, type GrafanaTheme2, ThemeContext, type TimeRange } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { BigValue, BigValueTextMode, GlobalStyles, Icon, PanelChrome, TimeSeries } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';

import { frames, type Panel, type Recording } from './frames';
import input from './input.json';
import { leaveRoom, StateTimeline } from './timeline';

// The rows of the dashboard that the picture has. The one that is left out is about the operator's Pods, and the demo has none.
const ROWS = ['Fleet', 'Links and encryption', 'AWS'];

// In pixels, as Grafana has them.
const CELL_HEIGHT = 30;
const GAP = 8;
const WIDTH = 1440;
const COLUMNS = 24;

interface Place { left: number; top: number; width: number; height: number }

function Body({ panel, data, width, height, timeRange, theme }:
  { panel: Panel; data: DataFrame[]; width: number; height: number; timeRange: TimeRange; theme: GrafanaTheme2 }) {
  if (data.length === 0) return <div className="no-data">No data</div>;
  const { options, fieldConfig } = panel;
  switch (panel.type) {
    case 'stat': {
      const look = { colorMode: options.colorMode, graphMode: options.graphMode };
      const [value] = getFieldDisplayValues({ data, fieldConfig, theme, reduceOptions: options.reduceOptions, replaceVariables: (text) => text });
      return <BigValue {...{ width, height, theme }} value={value.display} count={1} textMode={BigValueTextMode.Auto} {...look} />;
    }
    case 'table':
      return <TableNG {...{ width, height, timeRange, fieldConfig }} data={data[0]} enableVirtualization={false} />;
    case 'timeseries':
      return (
        <TimeSeries {...{ width, height, timeRange }} frames={data} timeZone="utc" legend={{ showLegend: true, calcs: [], ...options.legend }}>
          {leaveRoom}
        </TimeSeries>
      );
    case 'state-timeline':
      return <StateTimeline {...{ width, height, timeRange, theme }} frames={data} rowHeight={options.rowHeight} />;
    default:
      throw new Error(`tests/dashboard/page.tsx cannot draw panels of the type ${panel.type}, such as ${panel.title}`);
  }
}

function place({ x, y, w, h }: Panel['gridPos']): Place {
  const column = (WIDTH + GAP) / COLUMNS;
  const row = CELL_HEIGHT + GAP;
  return { left: x * column, top: y * row, width: w * column - GAP, height: h * row - GAP };
}

function chosen(panels: Panel[]) {
  let row = '';
  return panels.filter((panel) => {
    if (panel.type === 'row') row = panel.title;
    return ROWS.includes(row);
  });
}

async function draw() {
  const { dashboard, recording } = input as unknown as { dashboard: any; recording: Recording };
  await initPluginTranslations('dashboard');
  const theme = createTheme({ colors: { mode: 'dark' } });
  const [from, to] = [dateTime(recording.from * 1000), dateTime(recording.to * 1000)];
  const root = createRoot(document.body.appendChild(document.createElement('main')));
  const show = (content: ReactNode) => flushSync(() => root.render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {content}
    </ThemeContext.Provider>
  ));
  // Canvases draw with the fonts that are there, so these come first.
  show(null);
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 12px Inter`)));
  const timeRange = { from, to, raw: { from, to } };
  const panels = chosen(dashboard.panels);
  const data = await Promise.all(panels.map((panel) => (panel.type === 'row' ? [] : frames(panel, recording, theme))));
  const bottom = Math.max(...panels.map(({ gridPos }) => place(gridPos)).map(({ top, height }) => top + height));

  const shown = panels.map((panel, index) => {
    const { width, height, ...position } = place(panel.gridPos);
    return (
      <div key={panel.id} style={{ position: 'absolute', width, height, ...position }}>
        {panel.type === 'row' ? (
          <div className="dashboard-row"><Icon name="angle-down" /> {panel.title}</div>
        ) : (
          <PanelChrome {...{ width, height }} title={panel.title} description={panel.description}>
            {(width, height) => <Body {...{ panel, width, height, timeRange, theme }} data={data[index]} />}
          </PanelChrome>
        )}
      </div>
    );
  });
  // That of the data source has no value of its own.
  const variables = dashboard.templating.list.filter(({ current }: any) => current.text);
  const utc = (time: typeof from) => time.utc().format('YYYY-MM-DD HH:mm:ss');
  show(
    <>
      <header style={{ width: WIDTH }}>
        <div className="title">{dashboard.title}</div>
        {variables.map(({ name, label, current }: any) => <div key={name} className="box">{label} <b>{current.text.join(' + ')}</b></div>)}
        <div className="box">{utc(from)} to {utc(to)} <b>UTC</b></div>
      </header>
      <section style={{ position: 'relative', width: WIDTH, height: bottom }}>{shown}</section>
    </>
  );
}

draw().then(() => document.body.classList.add('drawn'));
