export const value: number = 40;
