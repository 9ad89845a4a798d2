import java.util.ArrayList;

/* Keeps six tenths of the memory limit alive while it makes garbage. */
public class Code {
    public static void main(String[] args) {
        var kept = new ArrayList<byte[]>();
        for (int i = 0; i < 450; i++)
            kept.add(new byte[1 << 20]);
        for (int i = 0; i < 1000; i++)
            kept.set(i % 450, new byte[1 << 20]);
        System.out.println(kept.size());
    }
}
