enum Color { Red = 1, Green }
namespace Shapes { export const sides = 4; }
function log(target: any, key: string) { console.log('decorated', key); }
class Box<T> {
  constructor(private readonly value: T, public name?: string) {}
  @log get(): T { return this.value; }
}
abstract class Base { abstract go(): void }
const box = new Box<number>(Color.Green);
const wrong: string = 5 as any;
const definitelyWrong: number = 'a type error never stops a run';
console.log(box.get() ?? 0, Shapes.sides, box?.name, typeof wrong, definitelyWrong);
export {};
