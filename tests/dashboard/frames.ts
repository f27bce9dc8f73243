// Makes of Prometheus' answers what Grafana's components draw, as Grafana's Prometheus data source and its panels do.
import {
  applyFieldOverrides, type DataFrame, cacheFieldDisplayNames, type Field, FieldColorModeId, type FieldConfig, FieldType, type GrafanaTheme2, Registry, standardTransformers,
  standardTransformersRegistry, TransformerCategory, transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

export interface Panel {
  id: number;
  title: string;
  type: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig: { defaults: FieldConfig; overrides: any[] };
  options: any;
  transformations?: any[];
  targets: Array<{ refId: string; legendFormat: string; format?: string }>;
}

type Sample = [time: number, value: string];

export interface Recording {
  from: number;
  to: number;
  step: number;
  answers: Record<string, Array<{ metric: Record<string, string>; value?: Sample; values?: Sample[] }>>;
}

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    editor: () => null,
    transformation: async () => transformation,
    imageDark: '',
    imageLight: '',
    categories: new Set([TransformerCategory.Reformat]),
  }))
);

// What Grafana's panels take where a dashboard sets no other.
const DEFAULTS: Record<string, FieldConfig> = {
  'state-timeline': { color: { mode: FieldColorModeId.ContinuousGrYlRd }, custom: { fillOpacity: 70 } },
  timeseries: { color: { mode: FieldColorModeId.PaletteClassic }, custom: { lineWidth: 1 } },
};

// The options of fields that the dashboard sets. What it sets beside these would not be drawn, so that ends the drawing.
const option = (path: string, isCustom = false) => ({
  id: isCustom ? `custom.${path}` : path,
  name: path,
  path,
  isCustom,
  process: (value: unknown) => value,
  shouldApply: () => true,
  override: () => null,
  editor: () => null,
  settings: {},
});
const standard = ['color', 'mappings', 'min', 'thresholds', 'unit'];
const custom = ['cellOptions', 'drawStyle', 'fillOpacity', 'lineWidth', 'showPoints'];
const options = new Registry(() => [...standard.map((path) => option(path)), ...custom.map((path) => option(path, true))]);

function checkOptions({ title, fieldConfig: { defaults, overrides } }: Panel) {
  const { custom: ofPanel, ...ofAll } = defaults;
  const set = [...Object.keys(ofAll), ...Object.keys(ofPanel ?? {}).map((path) => `custom.${path}`)];
  set.push(...overrides.flatMap(({ properties }) => properties.map(({ id }: { id: string }) => id)));
  const unknown = set.find((id) => !options.getIfExists(id));
  if (unknown) throw new Error(`tests/dashboard/frames.ts does not know the option ${unknown} of the panel ${title}`);
}

export async function frames(panel: Panel, recording: Recording, theme: GrafanaTheme2): Promise<DataFrame[]> {
  checkOptions(panel);
  const raw = panel.targets.flatMap((target) => {
    const series = recording.answers[`${panel.id} ${target.refId}`];
    if (target.format === 'table') return [asTable(series, panel.targets.length > 1 ? `Value #${target.refId}` : 'Value', target.refId)];
    return series.map((one) => asSeries(one, target, recording.step));
  });
  const data = await firstValueFrom(transformDataFrame(panel.transformations ?? [], raw));
  const { defaults, overrides } = structuredClone(panel.fieldConfig);
  const preset = DEFAULTS[panel.type];
  const result = applyFieldOverrides({
    data,
    fieldConfig: { defaults: { ...preset, ...defaults, custom: { ...preset?.custom, ...defaults.custom } }, overrides },
    fieldConfigRegistry: options as any,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(result);
  return result;
}

const field = (name: string, type: FieldType, values: unknown[], config: FieldConfig = {}): Field => ({ name, type, values, config });

function asSeries({ metric, value, values = [value!] }: Recording['answers'][string][number], target: Panel['targets'][number], step: number) {
  const name = target.legendFormat.replace(/\{\{ *(\w+) *\}\}/g, (_, label) => metric[label] ?? '');
  const times = values.map(([time]) => time * 1000);
  // Where nothing is to be drawn, such as a quantile of no calls, Prometheus says NaN, and Grafana makes a gap of it.
  const numbers = values.map(([, number]) => (Number.isFinite(Number(number)) ? Number(number) : null));
  return {
    refId: target.refId,
    length: values.length,
    fields: [
      field('Time', FieldType.time, times, { interval: step * 1000 }),
      { ...field('Value', FieldType.number, numbers, { displayNameFromDS: name || undefined }), labels: metric },
    ],
  };
}

function asTable(series: Recording['answers'][string], valueName: string, refId: string): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return {
    refId,
    length: series.length,
    fields: [
      field('Time', FieldType.time, series.map(({ value }) => value![0] * 1000)),
      ...labels.map((label) => field(label, FieldType.string, series.map(({ metric }) => metric[label] ?? ''))),
      field(valueName, FieldType.number, series.map(({ value }) => Number(value![1]))),
    ],
  };
}
