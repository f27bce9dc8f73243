// Grafana publishes no component for its panel state-timeline. This one draws a row of coloured spans for each series, on the axes and
// with the legend that Grafana's own panels have.
import { colorManipulator, type DataFrame, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { AxisPlacement, LegendDisplayMode, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { FIXED_UNIT, GraphNG, UPlotConfigBuilder, VizLayout, VizLegend } from '@grafana/ui';
import type { AlignedData } from 'uplot';

interface Props {
  frames: DataFrame[];
  width: number;
  height: number;
  timeRange: TimeRange;
  rowHeight: number;
  theme: GrafanaTheme2;
}

export function StateTimeline({ frames, width, height, timeRange, rowHeight, theme }: Props) {
  const legend = { showLegend: true, displayMode: LegendDisplayMode.List, placement: 'bottom' as const, calcs: [] };
  return (
    <GraphNG
      {...{ frames, width, height, timeRange, theme, legend }}
      timeZone="utc"
      prepConfig={(aligned) => plot(aligned, frames, timeRange, rowHeight, theme)}
      renderLegend={() => hasLegend(frames) && (
        <VizLayout.Legend placement="bottom">
          <VizLegend placement="bottom" displayMode={LegendDisplayMode.List} items={states(frames)} readonly />
        </VizLayout.Legend>
      )}
    >
      {leaveRoom}
    </GraphNG>
  );
}

// At the right end, since the last label of the time axis would be cut off.
export function leaveRoom(builder: UPlotConfigBuilder) {
  builder.setPadding([null, 28, null, null]);
  return null;
}

// Grafana has none for colours between two colours.
const hasLegend = ([{ fields }]: DataFrame[]) => !fields[1].config.color!.mode.startsWith('continuous-');

// The states that the series were in, each once.
function states(frames: DataFrame[]) {
  const shown = frames.flatMap(({ fields }) => fields[1].values.map((value) => fields[1].display!(value)));
  const colors = new Map(shown.map(({ text, color }) => [text, color]));
  return [...colors].map(([label, color]) => ({ label, color, yAxis: 1 }));
}

function plot(aligned: DataFrame, frames: DataFrame[], timeRange: TimeRange, rowHeight: number, theme: GrafanaTheme2) {
  const rows = frames.map((_, row) => {
    const size = rowHeight / frames.length;
    return { top: frames.length > 1 ? (row * (1 - size)) / (frames.length - 1) : (1 - size) / 2, size };
  });
  const builder = new UPlotConfigBuilder('utc');
  builder.setPrepData(([{ fields }]) => fields.map(({ values }) => values) as AlignedData);
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()],
  });
  builder.addScale({
    scaleKey: FIXED_UNIT,
    isTime: false,
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: () => [0, 1],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: 'utc', theme });
  builder.addAxis({
    scaleKey: FIXED_UNIT,
    placement: AxisPlacement.Left,
    splits: () => rows.map(({ top, size }) => 1 - top - size / 2),
    values: () => frames.map(({ fields }) => fields[1].config.displayNameFromDS),
    grid: { show: false },
    ticks: { show: false },
    gap: 16,
    theme,
  });
  rows.forEach(({ top, size }, row) => {
    const { values, display, config } = aligned.fields[row + 1];
    const times = aligned.fields[0].values;
    builder.addSeries({
      scaleKey: FIXED_UNIT,
      theme,
      pathBuilder: (u) => {
        for (let start = 0, end; start < values.length; start = end) {
          end = start + 1;
          while (end < values.length && values[end] === values[start]) end++;
          if (values[start] == null) continue;
          const left = u.valToPos(times[start], 'x', true);
          const right = end < values.length ? u.valToPos(times[end], 'x', true) : u.bbox.left + u.bbox.width;
          u.ctx.fillStyle = colorManipulator.alpha(display!(values[start]).color!, config.custom.fillOpacity / 100);
          u.ctx.fillRect(left, u.bbox.top + top * u.bbox.height, right - left, size * u.bbox.height);
        }
        return null;
      },
      pointsBuilder: () => false,
    });
  });
  return builder;
}
