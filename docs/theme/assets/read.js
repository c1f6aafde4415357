// What people paste: a print, an error, names with shapes, or else code.
const isPrint = (text) => {
  const [printed, code] = [text.search(PRINTED), text.search(/^(?:class|def|import|from) |^\s*\w?"""/m)];
  if (printed >= 0) return code < 0 || printed < code; // of torch.fx, code stands below
  const [, name, rest] = text.match(/^\s*([A-Z]\w*) ?\(([^]*)\)\s*$/) ?? [];
  if (name === undefined || /\bnn\.|\b\w+\(|\)\s*\n/.test(rest.replaceAll("torch.Size(", "("))) return false;
  return /\n/.test(rest.trim()) ? !classes.has(name) : Boolean(classes.get(name)?.holds) && !own(PARTS, name);
};
const READERS = [
  [isPrint, readPrint],
  [isError, readError],
  [(text) => SUMMARY.test(text), readSummary],
  [isListing, readListing],
  [(text) => VALUES.test(text) && !PYTHON.test(text), readValues],
];
const readerOf = (text) => READERS.find(([is]) => is(text))?.[1];

const read = (text) => {
  const slips = [];
  const told = { tops: [], found: [], notes: [], unsure: [], others: 0, sum: "" };
  try {
    Object.assign(told, (readerOf(text) ?? readCode)(text, slips));
    for (const [prefix, node, root = ""] of told.tops) {
      for (const group of groups(node, prefix && `${prefix}.`, slips)) told.found.push({ ...group, root });
    }
  } catch (error) {
    if (!(error instanceof RangeError)) console.error(error); // of a text that nobody foresaw
    slips.push(say("This is too much, or no numbers."));
  }
  const { found, notes, unsure, others } = told;
  if (text.trim() && !told.sum && !others && ![found, slips, notes, unsure].some((all) => all.length)) {
    if (told.tops.length) told.sum = say("Nothing here stores a tensor.");
    else slips.push(say("Nothing here makes a layer. Paste a class with its __init__, or print(model)."));
  }
  return { found, slips, notes, unsure, others, sum: told.sum };
};
