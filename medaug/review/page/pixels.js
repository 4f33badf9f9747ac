// From stored values to a picture: the window is laid over them here, so that it can be changed at once.

export function paint(canvas, plane, [low, high], inverted) {
  const { data, rows, columns } = plane;
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const words = new Uint32Array(image.data.buffer);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let n = 0; n < data.length; n += 1) {
    let grey = (data[n] - low) * scale;
    grey = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
    if (inverted) grey = 255 - grey;
    words[n] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  context.putImageData(image, 0, 0);
}

export async function paintPicture(canvas, src, rows, columns) {
  const picture = new Image();
  picture.src = src;
  await picture.decode();
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext("2d").drawImage(picture, 0, 0, columns, rows);
}

// 1 free, 2 observed, 4 label: what is neither is protected.
export function paintMarks(canvas, plane) {
  const { data, rows, columns } = plane;
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let n = 0; n < data.length; n += 1) {
    const [red, green, blue, alpha] = data[n] & 1 ? (data[n] & 2 ? [255, 210, 40, 150] : [0, 0, 0, 0]) : [64, 132, 255, 90];
    image.data.set([red, green, blue, alpha], 4 * n);
  }
  context.putImageData(image, 0, 0);
}

export function paintBoxes(canvas, boxes, k, rows, columns) {
  const longest = Math.max(rows, columns);
  const fine = Math.max(1, Math.round(1200 / longest)); // lines are thinner than the pixels of a small image
  canvas.width = columns * fine;
  canvas.height = rows * fine;
  const context = canvas.getContext("2d");
  const thick = Math.max(1, Math.round(longest * fine / 500));
  for (const box of boxes) {
    if (k < box.start[0] || k >= box.stop[0]) continue;
    const frame = [box.start[2], box.start[1], box.stop[2] - box.start[2], box.stop[1] - box.start[1]].map((n) => n * fine);
    context.lineWidth = 3 * thick;
    context.strokeStyle = "#000";
    context.strokeRect(...frame);
    context.lineWidth = thick;
    context.strokeStyle = "#fff";
    context.strokeRect(...frame);
  }
}
