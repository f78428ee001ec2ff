// The visible part of the drawing: pan, zoom, fit.

const LEAST = 0.02;
const MOST = 2.5;

export class Camera {
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  /** The point of the drawing at a point of the screen. */
  world(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
  }

  /** Zooms around a point of the screen. */
  zoom(factor, x, y) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
  }

  /** Shows the whole drawing, at most at its natural size. */
  fit(drawing, width, height, aside = 28, above = 56) {
    const fitting = Math.min((width - 2 * aside) / drawing.width, (height - 2 * above) / drawing.height);
    this.scale = Math.max(LEAST, Math.min(1, fitting));
    this.x = (width - drawing.width * this.scale) / 2;
    this.y = (height - drawing.height * this.scale) / 2;
  }

  /** Brings a point to the middle, at a scale at which it can be read. */
  show(x, y, width, height) {
    this.scale = Math.max(this.scale, 0.8);
    this.x = width / 2 - x * this.scale;
    this.y = height / 2 - y * this.scale;
  }

  /** Whether a box of the drawing is on the screen. */
  sees([x, y], [width, height], screenWidth, screenHeight) {
    const [left, top] = [x * this.scale + this.x, y * this.scale + this.y];
    const [w, h] = [(width * this.scale) / 2, (height * this.scale) / 2];
    return left + w > 0 && left - w < screenWidth && top + h > 0 && top - h < screenHeight;
  }
}
