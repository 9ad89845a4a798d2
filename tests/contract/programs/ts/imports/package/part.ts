export const more: number = 2;
