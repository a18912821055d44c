// Asks a package through transformers.js. check.py beside it runs it and judges what comes out:
//
//   node ask.mjs WORK MODULES
//
// WORK holds questions.json and the arrays that go in; answers.json and those that come out are
// written there. MODULES is the folder in whose node_modules @huggingface/transformers lies.
// Exit codes: 0 it answered, 3 the library is not there.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';

const [work, modules] = process.argv.slice(2);
const asked = JSON.parse(readFileSync(join(work, 'questions.json'), 'utf8'));
const ARRAYS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array };

let library;
try {
    library = createRequire(join(resolve(modules), 'any.js'))('@huggingface/transformers');
} catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    process.exit(3);
}

library.env.allowRemoteModels = false;
library.env.localModelPath = dirname(asked.package) + '/';
const name = basename(asked.package);
const told = { sequences: [], outputs: [], ids: [] };

if (asked.texts.length) {
    const tokenizer = await library.AutoTokenizer.from_pretrained(name);
    told.ids = asked.texts.map((text) => tokenizer.encode(text));
}
const model = await library[asked.class].from_pretrained(name);  // its own configuration says dtype
told.labels = model.config.id2label ?? null;
told.ends = model.generation_config?.eos_token_id ?? null;

for (const { prompt, more } of asked.prompts) {
    const ids = tensor('int64', BigInt64Array.from(prompt, BigInt), [1, prompt.length]);
    const ones = tensor('int64', new BigInt64Array(prompt.length).fill(1n), [1, prompt.length]);
    const made = await model.generate({
        inputs: ids, attention_mask: ones, max_new_tokens: more, do_sample: false,
        repetition_penalty: 1.0,
    });
    told.sequences.push(Array.from(made.data, Number).slice(prompt.length));
}

for (const [number, inputs] of asked.cases.entries()) {
    const fed = {};
    for (const [input, { type, dims, file }] of Object.entries(inputs)) {
        const bytes = readFileSync(join(work, file));
        const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
        fed[input] = tensor(type, new ARRAYS[type](whole), dims);
    }
    const made = await model(fed);
    const arrays = {};
    for (const [output, value] of Object.entries(made)) {
        if (!value?.data || !value.dims) continue;  // a cache of keys and values, for instance
        const file = `answer-${number}.${Object.keys(arrays).length}`;
        const { buffer, byteOffset, byteLength } = value.data;
        writeFileSync(join(work, file), Buffer.from(buffer, byteOffset, byteLength));
        arrays[output] = { type: value.type, dims: value.dims, file };
    }
    told.outputs.push(arrays);
}

writeFileSync(join(work, 'answers.json'), JSON.stringify(told));

function tensor(type, data, dims) {
    return new library.Tensor(type, data, dims);
}
